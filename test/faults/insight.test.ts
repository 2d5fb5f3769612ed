/**
 * An import while everything is killed: the insight worker, a compute worker, the broker and the store, each twice, at
 * unplanned moments. Every entity ends complete, with the vectors of an undisturbed run.
 * Long (500 pictures): CL_TEST_FAULTS=long. Otherwise 24, each killed once.
 */
import { execFileSync, spawn } from 'node:child_process';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { sharp } from '@cl-server/media';
import { cosine, decodeNpy } from '@cl-server/models';
import { runTask } from '@cl-server/task-kit/testing';
import { eventually, freePort, hasModels, projectRoot, tempDir } from '@cl-server/testing';
import { describe, expect, it } from 'vitest';
import clip from '../../packages/tasks/src/clip_embedding/task.js';
import { testModels } from '../../services/store/test/support/insight.js';

const long = process.env.CL_TEST_FAULTS === 'long';
const PICTURES = long ? 500 : 24;
const ROUNDS = long ? 2 : 1;
const VICTIMS = ['m-insight-worker', 'compute-worker', 'cl-broker', 'store'];
const PASSWORD = 'a password of the tests';

const picture = (seed: number): Promise<Buffer> => {
  const width = 160 + (seed % 7) * 20;
  const pixels = Buffer.alloc(width * 120 * 3);
  for (let at = 0; at < pixels.length; at++)
    pixels[at] = (at * (1 + (seed % 13)) + Math.floor(at / width) * (seed % 29) + seed * 40) & 255;
  return sharp(pixels, { raw: { width, height: 120, channels: 3 } })
    .png()
    .toBuffer();
};

/** The pids of the group's processes that have this program in their command line. */
function processes(group: number, program: string): number[] {
  const rows = execFileSync('ps', ['-ww', '-eo', 'pid=,pgid=,stat=,args='], { encoding: 'utf8' }).split('\n');
  return rows.flatMap((row) => {
    const [, pid, pgid, state, args] = /^\s*(\d+)\s+(\d+)\s+(\S+)\s+(.*)$/.exec(row) ?? [];
    const shown = new RegExp(`(^|/)${program}(\\.js)?( |$)`);
    return Number(pgid) === group && !state?.startsWith('Z') && shown.test(args ?? '') ? [Number(pid)] : [];
  });
}

describe.runIf(hasModels())(`an import of ${PICTURES} pictures while everything is killed`, () => {
  it('ends with every entity complete and the right vectors', { timeout: long ? 15 * 60_000 : 180_000 }, async () => {
    using dir = tempDir('cl-faults-');
    const modelsDir = path.join(dir.path, 'models');
    execFileSync('mkdir', ['-p', modelsDir]);
    await testModels(modelsDir);
    const ports = Object.fromEntries(
      await Promise.all(['auth', 'store', 'compute', 'mqtt'].map(async (name) => [name, await freePort()] as const)),
    );
    const flags = Object.entries(ports).flatMap(([name, port]) => [`--${name}-port`, String(port)]);
    const launcher = spawn(
      process.execPath,
      [
        path.join(projectRoot, 'apps/server/bin/cl-server.js'),
        'start',
        '--data-dir',
        path.join(dir.path, 'data'),
        '--workers',
        '1',
        '--mqtt-ws-port',
        '0',
        ...flags,
      ],
      {
        detached: true,
        stdio: ['ignore', 'pipe', 'inherit'],
        env: { ...process.env, MODELS_DIR: modelsDir, MODELS_DOWNLOAD: 'never', ADMIN_PASSWORD: PASSWORD },
      },
    );
    const group = launcher.pid ?? 0;
    const gone = new Promise<void>((resolve) => launcher.once('exit', () => resolve()));
    try {
      let out = '';
      launcher.stdout?.setEncoding('utf8').on('data', (text: string) => {
        out += text;
      });
      await eventually(() => /^ready /m.test(out), { within: 90_000, what: 'the platform' });
      const store = `http://127.0.0.1:${ports.store}`;
      const login = await fetch(`http://127.0.0.1:${ports.auth}/auth/token`, {
        method: 'POST',
        body: new URLSearchParams({ username: 'admin', password: PASSWORD }),
      });
      const { access_token } = (await login.json()) as { access_token: string };
      const headers = { authorization: `Bearer ${access_token}` };

      const upload = async (seed: number): Promise<number> => {
        const bytes = await picture(seed);
        return eventually(
          async () => {
            const form = new FormData();
            form.append('is_collection', 'false');
            form.append('label', `picture ${seed}`);
            form.append('media_file', new Blob([new Uint8Array(bytes)]), `${seed}.png`);
            const answer = await fetch(`${store}/entities`, { method: 'POST', headers, body: form });
            return answer.ok ? ((await answer.json()) as { id: number }).id : undefined;
          },
          { within: 60_000, every: 200, what: `the upload of picture ${seed}` },
        );
      };
      const kills = (async () => {
        for (let round = 0; round < ROUNDS; round++)
          for (const victim of VICTIMS) {
            await pause(500 + Math.random() * (long ? 15_000 : 1_500));
            // A process that was killed a moment ago must restart first, so that each one is killed as often as intended.
            const running = (): number[] | false => {
              const pids = processes(group, victim);
              return pids.length > 0 && pids;
            };
            const pids = await eventually(running, { what: `a process of ${victim}` });
            for (const pid of pids) process.kill(pid, 'SIGKILL');
          }
      })();
      const ids: number[] = [];
      for (let seed = 0; seed < PICTURES; seed++) ids.push(await upload(seed));
      await kills;
      expect(new Set(ids).size).toBe(PICTURES);

      const status = async (id: number): Promise<string | undefined> => {
        const answer = await fetch(`${store}/intelligence/entities/${id}`, { headers }).catch(() => undefined);
        if (!answer?.ok) return undefined;
        return ((await answer.json()) as { overall_status: string } | null)?.overall_status;
      };
      for (const id of ids)
        await eventually(async () => (await status(id)) === 'completed', {
          within: long ? 600_000 : 90_000,
          every: 250,
          what: `entity ${id}`,
        });

      for (let seed = 0; seed < PICTURES; seed += Math.max(1, Math.floor(PICTURES / 12))) {
        const answer = await fetch(`${store}/intelligence/entities/${ids[seed]}/clip_embedding`, { headers });
        using undisturbed = await runTask(clip, {
          file: { name: 'p.png', content: await picture(seed) },
          env: { modelsDir, settings: { MODELS_DOWNLOAD: 'never' } },
        });
        const expected = decodeNpy(undisturbed.read('output/clip_embedding.npy'));
        expect(cosine(decodeNpy(new Uint8Array(await answer.arrayBuffer())), expected)).toBeGreaterThan(0.99999);
      }
    } finally {
      process.kill(-group, 'SIGKILL');
      await gone;
    }
  });
});
