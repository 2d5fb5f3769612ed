/** The built programs, started from the command line. */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { projectRoot, tempDir } from '@cl-server/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

const bin = (name: string): string => path.join(projectRoot, 'services/compute/bin', name);

interface Ended {
  readonly code: number | null;
  readonly out: string;
}

describe('the programs of compute', () => {
  let dir: ReturnType<typeof tempDir>;
  const children: ChildProcess[] = [];
  beforeEach(() => {
    dir = tempDir('cl-compute-bin-');
  });
  afterEach(() => {
    for (const child of children.splice(0)) child.kill('SIGKILL');
    dir.remove();
  });

  function start(name: string, args: readonly string[], supervised = false) {
    const child = spawn(process.execPath, [bin(name), ...args], {
      stdio: ['ignore', 'pipe', 'pipe', ...(supervised ? (['ipc'] as const) : [])],
      env: { PATH: process.env.PATH, CL_SERVER_DIR: dir.path, BROADCAST_TYPE: 'none', AUTH_URL: 'http://127.0.0.1:9' },
    });
    children.push(child);
    let out = '';
    for (const stream of [child.stdout, child.stderr])
      stream?.on('data', (chunk) => {
        out += String(chunk);
      });
    const ended: Promise<Ended> = once(child, 'close').then(([code]) => ({ code: code as number | null, out }));
    return { child, ended };
  }

  it('the server refuses to start without tables and names the command; then it starts, and stops on SIGTERM', async () => {
    const refused = await start('compute-server.js', ['--port', '0']).ended;
    expect([refused.code, refused.out]).toEqual([1, expect.stringContaining('run "compute-migrate" first')]);
    expect((await start('compute-migrate.js', []).ended).out).toContain('applied: 0001_jobs');
    expect(await start('compute-migrate.js', []).ended).toEqual({ code: 0, out: 'nothing to do: up to date\n' });

    const { child, ended } = start('compute-server.js', ['--port', '0', '--no-auth'], true);
    const [ready] = (await once(child, 'message')) as [{ type: string; info: { url: string; port: number } }];
    expect(ready.info.url).toBe(`http://127.0.0.1:${ready.info.port}`);
    expect(await (await fetch(ready.info.url)).json()).toMatchObject({ status: 'healthy', guestMode: 'on' });
    const { items } = (await (await fetch(`${ready.info.url}/tasks`)).json()) as { items: { task_type: string }[] };
    expect(items.map(({ task_type }) => task_type)).toEqual(expect.arrayContaining(['hash', 'exif']));
    child.send({ type: 'drain' });
    const { code, out } = await ended;
    expect(code).toBe(0);
    expect(out).toContain('NO AUTHENTICATION');
  });

  it('all wrong options are reported at once', async () => {
    const { code, out } = await start('compute-server.js', ['--prot', '1', '--log-level', 'loud']).ended;
    expect(code).toBe(2);
    expect(out).toMatch(/--prot[\s\S]*--log-level/);
  });

  it('a database other than that of the data folder is refused', async () => {
    await start('compute-migrate.js', []).ended;
    const other = spawn(process.execPath, [bin('compute-migrate.js')], {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: { PATH: process.env.PATH, CL_SERVER_DIR: dir.path, DATABASE_URL: `sqlite://${dir.path}/other.db` },
    });
    children.push(other);
    let out = '';
    other.stderr?.on('data', (chunk) => {
      out += String(chunk);
    });
    const [code] = await once(other, 'close');
    expect([code, out]).toEqual([1, expect.stringContaining('store.db, not in other.db')]);
  });
});
