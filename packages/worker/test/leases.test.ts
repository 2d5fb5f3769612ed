import fs from 'node:fs';
import path from 'node:path';
import { eventually } from '@cl-server/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { childrenOf, isAlive, type TestPlatform, testPlatform } from './support/platform.js';

/** Lease of the workers under test, in milliseconds. */
const LEASE = 2_000;

describe('the lease of a running job', () => {
  let platform: TestPlatform;
  beforeEach(async () => {
    platform = await testPlatform({ plugins: ['noop', 'probe'] });
  });
  afterEach(() => platform.close());

  const read = async (id: string, file: string): Promise<string> => {
    return (await platform.jobs.storage.read(await platform.job(id), file, 1_000)).toString();
  };

  it('is kept while the task blocks its process for much longer', async () => {
    await Promise.all([platform.start().ready, platform.start().ready]);
    const id = await platform.add('probe', { action: 'block', ms: LEASE * 2.5 });
    expect(await platform.ended(id)).toMatchObject({ status: 'completed', attempt: 1, retry_count: 0 });
  });

  it('ends with a killed worker: another one does the job, and nothing of the dead one goes on', async () => {
    const first = platform.start();
    await first.ready;
    const note = path.join(platform.dataDir, 'streams', 'tool.pid');
    const tooled = await platform.add('probe', { action: 'tool', note });
    const tool = Number(await eventually(() => fs.existsSync(note) && fs.readFileSync(note, 'utf8')));
    const blocked = await platform.add('probe', { action: 'block', ms: 3_000 }, { priority: 10 });
    await eventually(async () => (await platform.job(blocked)).status === 'processing');
    const runners = childrenOf(first.pid);
    expect(runners.length).toBeGreaterThan(0);
    first.child.kill('SIGKILL');
    await first.exited;
    await eventually(() => [tool, ...runners].every((pid) => !isAlive(pid)), { what: 'the end of its children' });

    const second = platform.start();
    await second.ready;
    const { status, retry_count } = await platform.ended(blocked);
    expect(status).toBe('completed');
    expect(retry_count).toBeGreaterThan(0); // more where a busy machine lets the second worker's lease run out too
    await platform.jobs.repository.cancel(tooled);
    await platform.ended(tooled);
    const scratch = fs.readdirSync(path.join(platform.dataDir, 'scratch'));
    expect(scratch).toEqual([expect.stringContaining(`.${second.pid}`)]); // the dead one's folder was removed
  });

  it('is lost by a worker that was stopped for longer; what it commits late is refused and changes nothing', async () => {
    const sleeper = platform.start({ id: 'sleeper', args: ['--concurrency', '3'] });
    await sleeper.ready;
    const ids = await Promise.all([1, 2, 3].map(() => platform.add('probe', { action: 'wait', ms: 2_500 })));
    await eventually(() => ids.every((id) => platform.beingWritten(id).length > 0), { what: 'running tasks' });
    sleeper.child.kill('SIGSTOP');
    const other = platform.start({ id: 'other', args: ['--concurrency', '3'] });
    await other.ready;
    const jobs = await Promise.all(ids.map((id) => platform.ended(id)));
    for (const job of jobs) expect(job.status).toBe('completed');
    sleeper.child.kill('SIGCONT');
    await eventually(() => ids.every((id) => platform.beingWritten(id).length === 0), {
      what: 'the refusal of the late results',
    });
    for (const { job_id: id, committed_attempt: by } of jobs) {
      expect(by).toBeGreaterThan(1);
      expect(await platform.job(id)).toMatchObject({ committed_attempt: by, task_output: { attempt: by } });
      expect(await read(id, 'output/late.txt')).toBe(`by attempt ${by}`);
      await eventually(() => platform.delivered(id).join() === String(by));
    }
    const after = await platform.add('noop');
    expect(await platform.ended(after)).toMatchObject({ status: 'completed' });
  });
});
