/** Short jobs share a claim; what happens to one of them must not happen to its neighbours. */
import { newJobId } from '@cl-server/jobs';
import { eventually } from '@cl-server/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type TestPlatform, testPlatform } from './support/platform.js';

describe('a chunk of short jobs', () => {
  let platform: TestPlatform;
  beforeAll(async () => {
    platform = await testPlatform({ plugins: ['probe'] });
    await platform.start({ args: ['--concurrency', '1'], env: { WORKER_LEASE_SECONDS: '20' } }).ready;
    const taught = await platform.add('probe', { action: 'ok' });
    await platform.ended(taught);
  });
  afterAll(() => platform.close());

  const addChunk = async (actions: readonly object[]): Promise<readonly string[]> => {
    const jobs = actions.map((params) => ({ job_id: newJobId(), task_type: 'probe', params: { ...params } }));
    await platform.jobs.repository.addJobs(jobs);
    return jobs.map(({ job_id }) => job_id);
  };
  const allEnded = async (ids: readonly string[]) => {
    await eventually(async () => (await platform.jobs.repository.counts()).queued === 0);
    return Promise.all(ids.map((id) => platform.ended(id)));
  };

  it('end one by one, in order', async () => {
    const jobs = await allEnded(await addChunk(Array.from({ length: 40 }, () => ({ action: 'ok' }))));
    for (const job of jobs) expect(job).toMatchObject({ status: 'completed', retry_count: 0 });
    expect(jobs.some(({ started_at }, index) => index > 0 && started_at === jobs[index - 1]?.started_at)).toBe(true);
  });

  it('do not pay for one that crashes their process', async () => {
    const ids = await addChunk([
      ...Array(4).fill({ action: 'ok' }),
      { action: 'crash' },
      ...Array(4).fill({ action: 'ok' }),
    ]);
    const jobs = await allEnded(ids);
    expect(jobs.map(({ status }) => status)).toEqual([
      ...Array(4).fill('completed'),
      'failed',
      ...Array(4).fill('completed'),
    ]);
    expect(jobs.map(({ retry_count }) => retry_count).filter((count) => count > 0)).toHaveLength(1);
  });

  it('go back to the queue uncounted when one turns out to be long', async () => {
    const ids = await addChunk([...Array(4).fill({ action: 'ok' }), { action: 'wait', ms: 800 }, { action: 'ok' }]);
    const [, , , , long, last] = await allEnded(ids);
    expect(long).toMatchObject({ status: 'completed', retry_count: 0 });
    expect(last).toMatchObject({ status: 'completed', retry_count: 0 });
  });
});
