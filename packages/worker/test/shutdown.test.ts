import { setTimeout as pause } from 'node:timers/promises';
import { eventually } from '@cl-server/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { childrenOf, isAlive, type TestPlatform, testPlatform, type WorkerProcess } from './support/platform.js';

describe('the end of a worker', () => {
  let platform: TestPlatform;
  beforeEach(async () => {
    platform = await testPlatform({ plugins: ['noop', 'probe'] });
  });
  afterEach(() => platform.close());

  const running = async (worker: WorkerProcess, params: object): Promise<string> => {
    await worker.ready;
    const id = await platform.add('probe', { ...params });
    await eventually(async () => (await platform.job(id)).status === 'processing');
    return id;
  };

  it('lets running jobs end, takes no new ones, and exits with 0', async () => {
    const worker = platform.start();
    const id = await running(worker, { action: 'wait', ms: 500 });
    worker.child.send({ type: 'drain' });
    const waiting = await platform.add('noop');
    expect(await worker.exited).toBe(0);
    expect(await platform.job(id)).toMatchObject({ status: 'completed' });
    expect(await platform.job(waiting)).toMatchObject({ status: 'queued', attempt: 0 });
  });

  it('gives unfinished jobs back at its deadline, no try counted', async () => {
    const worker = platform.start({ env: { WORKER_DRAIN_SECONDS: '0.2' } });
    const id = await running(worker, { action: 'block' });
    worker.child.kill('SIGTERM');
    expect(await worker.exited).toBe(0);
    expect(await platform.job(id)).toMatchObject({ status: 'queued', retry_count: 0, error_code: null });
  });

  it('comes at once with a second signal, or when its supervisor is gone, and leaves no process', async () => {
    for (const end of [
      async ({ child }: WorkerProcess) => {
        child.kill('SIGTERM');
        await pause(600); // two signals within half a second are one Ctrl-C
        child.kill('SIGTERM');
      },
      async ({ child }: WorkerProcess) => child.disconnect(),
    ]) {
      const worker = platform.start();
      const id = await running(worker, { action: 'block' });
      const runners = childrenOf(worker.pid);
      await end(worker);
      expect(await worker.exited).toBe(1);
      await eventually(() => runners.every((pid) => !isAlive(pid)));
      await platform.jobs.repository.deleteJob(id);
    }
  });
});
