/** Everything of a deleted entity is removed even if the platform still works on it and a process dies meanwhile. */
import { execFileSync, spawn } from 'node:child_process';
import path from 'node:path';
import type { AuditReport, Entity, JobList } from '@cl-server/contract';
import { sharp } from '@cl-server/media';
import { eventually, filesIn, freePort, projectRoot, tempDir } from '@cl-server/testing';
import { describe, expect, it } from 'vitest';

const PASSWORD = 'a password of the tests';
const PICTURES = 60;

const picture = (seed: number): Promise<Buffer> => {
  const pixels = Buffer.alloc(240 * 180 * 3);
  for (let at = 0; at < pixels.length; at++) pixels[at] = (at * (1 + (seed % 13)) + seed * 40 + (at >> 9)) & 255;
  return sharp(pixels, { raw: { width: 240, height: 180, channels: 3 } })
    .png()
    .toBuffer();
};

/** The process of the store in a process group. */
function storeOf(group: number): number {
  const rows = execFileSync('ps', ['-ww', '-eo', 'pid=,pgid=,args='], { encoding: 'utf8' }).split('\n');
  for (const row of rows) {
    const [, pid, pgid, args] = /^\s*(\d+)\s+(\d+)\s+(.*)$/.exec(row) ?? [];
    if (Number(pgid) === group && /(^|\/)store(\.js)?( |$)/.test(args ?? '')) return Number(pid);
  }
  throw new Error('the store does not run');
}

describe('permanent deletion', () => {
  it('of 60 uploads at once while jobs run leaves nothing behind, even if the store is killed meanwhile', async () => {
    using dir = tempDir('cl-erasure-');
    const data = path.join(dir.path, 'data');
    const names = ['auth', 'store', 'compute', 'mqtt'];
    const ports = Object.fromEntries(await Promise.all(names.map(async (name) => [name, await freePort()] as const)));
    const flags = Object.entries(ports).flatMap(([name, port]) => [`--${name}-port`, String(port)]);
    const bin = path.join(projectRoot, 'apps/server/bin/cl-server.js');
    const args = [bin, 'start', '--data-dir', data, '--workers', '1', '--mqtt-ws-port', '0', ...flags];
    const launcher = spawn(process.execPath, args, {
      detached: true,
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, MODELS_DOWNLOAD: 'never', ADMIN_PASSWORD: PASSWORD },
    });
    const group = launcher.pid ?? 0;
    const gone = new Promise<void>((resolve) => launcher.once('exit', () => resolve()));
    try {
      let out = '';
      launcher.stdout?.setEncoding('utf8').on('data', (text: string) => {
        out += text;
      });
      await eventually(() => /^ready /m.test(out), { within: 120_000, what: 'the platform' });
      const store = `http://127.0.0.1:${ports['store']}`;
      const login = await fetch(`http://127.0.0.1:${ports['auth']}/auth/token`, {
        method: 'POST',
        body: new URLSearchParams({ username: 'admin', password: PASSWORD }),
      });
      const { access_token } = (await login.json()) as { access_token: string };
      const headers = { authorization: `Bearer ${access_token}` };
      const call = async <T>(
        method: string,
        target: string,
        body?: FormData | URLSearchParams,
      ): Promise<T | undefined> => {
        const answer = await fetch(store + target, { method, headers, body: body ?? null }).catch(() => undefined);
        if (answer?.status === 404 || answer?.status === 204) return undefined;
        if (!answer?.ok) throw new Error(`${method} ${target}: ${answer?.status}`);
        return (await answer.json()) as T;
      };
      /** Repeats the request until the store is back. */
      const patiently = <T>(method: string, target: string, body?: () => FormData | URLSearchParams) =>
        eventually(
          () =>
            call<T>(method, target, body?.()).then(
              (value) => ({ value }),
              () => undefined,
            ),
          { within: 60_000, every: 200, what: `${method} ${target}` },
        );

      const ids: number[] = [];
      const upload = async (seed: number): Promise<void> => {
        const form = new FormData();
        form.append('is_collection', 'false');
        form.append('media_file', new Blob([new Uint8Array(await picture(seed))]), `${seed}.png`);
        const entity = await call<Entity>('POST', '/entities', form);
        if (entity) ids.push(entity.id);
      };
      for (let seed = 0; seed < PICTURES; seed += 10)
        await Promise.all(Array.from({ length: 10 }, (_, n) => upload(seed + n)));
      expect(new Set(ids).size).toBe(PICTURES);
      const jobs = path.join(data, 'compute');
      await eventually(() => filesIn(jobs, /\.png$/).length > 0, { within: 60_000, what: 'a job with a picture' });
      await Promise.all(ids.slice(0, 5).map((id) => fetch(`${store}/entities/${id}/preview`, { headers })));

      const deleted = Promise.all(
        ids.map(async (id) => {
          await patiently('PATCH', `/entities/${id}`, () => new URLSearchParams({ is_deleted: 'true' }));
          await patiently('DELETE', `/entities/${id}`);
        }),
      );
      process.kill(storeOf(group), 'SIGKILL');
      await deleted;

      const left = () => [
        ...filesIn(path.join(data, 'compute'), /^(?!\.identity$)/),
        ...filesIn(path.join(data, 'streams'), /^(?!\.identity$)/),
        ...filesIn(path.join(data, 'media'), /\.(png|part)$/),
      ];
      await eventually(() => left().length === 0, {
        within: 30_000,
        every: 250,
        what: 'the removal of every file',
      }).catch((error: unknown) => {
        throw new Error(`${String(error)}: ${left().join(', ')}`);
      });
      const own = await eventually(
        async () => {
          const list = await call<JobList>('GET', '/jobs?created_by=m-insight');
          return list?.items.length === 0 && list;
        },
        { within: 30_000, every: 250, what: 'the removal of every job' },
      );
      expect(own.total).toBe(0);
      const { truncated, timestamp, ...lists } = (await call<AuditReport>('GET', '/system/audit')) as AuditReport;
      expect([truncated, timestamp > 0, Object.values(lists).flat()]).toEqual([false, true, []]);
    } finally {
      process.kill(-group, 'SIGKILL');
      await gone;
    }
  }, 300_000);
});
