import fs from 'node:fs';
import path from 'node:path';
import { openDatabase } from '@cl-server/service-kit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type TestPlatform, testPlatform, type WorkerFlags } from './support/platform.js';

describe('a worker that cannot start says why in one line', () => {
  let platform: TestPlatform;
  beforeAll(async () => {
    platform = await testPlatform({ plugins: ['noop', 'broken'] });
  });
  afterAll(() => platform.close());

  const failed = async (flags: WorkerFlags): Promise<[number | null, string]> => {
    const worker = platform.start(flags);
    const code = await worker.exited;
    const lines = worker
      .output()
      .split('\n')
      .filter((line) => line.startsWith('compute-worker:'));
    expect(worker.output()).not.toMatch(/\n\s+at /); // no stack
    return [code, lines.join('\n')];
  };

  it.each([
    ['no data folder', { env: { CL_SERVER_DIR: '/nonexistent/cl' } }, 1, /does not exist/],
    [
      'an unknown task',
      { args: ['--tasks', 'noop, nope'] },
      2,
      /No matching plugins found for nope.*Available: .*noop/,
    ],
    ['a task that failed to load', { args: ['-t', 'broken'] }, 2, /broken could not be loaded: this plugin lacks/],
    ['an unknown option', { args: ['--taks', 'noop'] }, 2, /unknown option --taks/],
    ['a worker id that is no name', { args: ['-w', 'a/b'] }, 2, /worker id "a\/b"/],
    ['a number that is none', { args: ['--concurrency', '0'] }, 2, /--concurrency: expected/],
  ] as const)('%s', async (_, flags, code, message) => {
    const [exit, line] = await failed(flags);
    expect(line).toMatch(message);
    expect(exit).toBe(code);
  });

  it('tables that are not there', async () => {
    const url = `sqlite://${path.join(platform.dataDir, 'empty.db')}`;
    fs.rmSync(path.join(platform.dataDir, 'job_database'), { force: true });
    await openDatabase(url, { schema: 'jobs' }).close();
    const [exit, line] = await failed({ env: { WORKER_DATABASE_URL: url } });
    expect(line).toContain('compute-migrate');
    expect(exit).toBe(1);
  });
});
