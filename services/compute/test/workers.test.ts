/** Workers as clients and jobs see them, with a real broker and without one: the answers are the same. */
import type { WorkerAbilities } from '@cl-server/jobs';
import { type Broadcaster, connectBroadcaster, noBroadcaster, silentLogger } from '@cl-server/service-kit';
import { type Backend, backends, eventually, hasMosquitto, startMosquitto, type TestBroker } from '@cl-server/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ANN, startService, type TestService } from './support/service.js';

describe.each(hasMosquitto() ? ['with a broker', 'without a broker'] : ['without a broker'])('workers %s', (how) => {
  const [backend] = backends();
  let broker: TestBroker | undefined;
  let compute: TestService;
  /** The worker's connection to the broker. */
  let worker: Broadcaster = noBroadcaster;
  let own: Broadcaster = noBroadcaster;
  beforeAll(async () => {
    if (how === 'with a broker') {
      broker = await startMosquitto();
      const logger = silentLogger();
      worker = await connectBroadcaster({ url: broker.url, logger });
      own = await connectBroadcaster({ url: broker.url, logger });
    }
    compute = await startService(backend as Backend, { broadcaster: own });
  });
  afterAll(async () => {
    await compute.close();
    await Promise.all([worker.close(), own.close()]);
    await broker?.stop();
  });
  /** Announces a worker as a worker does: its row, then its message. */
  const announce = async (id: string, more: Partial<WorkerAbilities>) => {
    const abilities = { capabilities: [], unavailable: {}, idle_count: 1, ...more };
    await compute.service.jobs.workers.announce(id, abilities);
    await worker.publish(`inference/workers/${id}`, { worker_id: id }, { retain: true });
  };
  const capabilities = async () => (await compute.request('GET', '/capabilities')).json;
  const task = async () => (await compute.request('GET', '/tasks')).json.items[0];
  const create = async () => (await compute.request('POST', '/jobs/count', ANN, {})).json.job_id as string;
  const job = async (id: string) => (await compute.request('GET', `/jobs/${id}`, ANN)).json;
  const lacking = { code: 'model_missing', reason: 'The model count.onnx is missing: put it into the models folder' };

  it('come, are summed, and go', async () => {
    expect(await task()).toMatchObject({ available: false, reason: 'no worker is running' });
    await announce('a', { capabilities: ['count'], idle_count: 2 });
    await announce('b', { capabilities: ['count'], idle_count: 1 });
    expect(await capabilities()).toEqual({ num_workers: 2, capabilities: { count: 3 } });
    expect(await task()).toMatchObject({ available: true, reason: null });
    expect((await compute.request('GET', '/workers', ANN)).json.items).toMatchObject([
      { worker_id: 'a', idle_count: 2 },
      { worker_id: 'b' },
    ]);
    await compute.service.jobs.workers.withdraw('b');
    expect((await capabilities()).num_workers).toBe(1);
  });

  it('make jobs fail with what is missing if none of them can run the task; others wait', async () => {
    const early = await create();
    await announce('a', { unavailable: { count: lacking } });
    await eventually(async () => (await job(early)).status === 'failed');
    const late = await create();
    await eventually(async () => (await job(late)).status === 'failed');
    expect(await job(late)).toMatchObject({
      error_code: 'model_missing',
      error_message: lacking.reason,
      retry_count: 0,
    });
    expect(await task()).toMatchObject({ available: false, reason: lacking.reason });
    const failures = /cls_jobs_failed_total\{task="count",code="model_missing",service="compute"\} 2/;
    await eventually(async () => failures.test((await compute.request('GET', '/metrics')).text));

    await announce('b', { capabilities: ['count'] });
    const waiting = await create();
    await announce('a', { unavailable: { count: lacking } });
    const done = await compute.service.jobs.reconciler.quick();
    expect([done.jobs_without_worker, (await job(waiting)).status]).toEqual([0, 'queued']);
  });

  it.runIf(how === 'with a broker')(
    'that are killed are noticed by their last will, long before they are silent',
    async () => {
      const killed = async () => (await capabilities()).num_workers === 1;
      expect(await killed()).toBe(false);
      await worker.clearRetained('inference/workers/b');
      await eventually(killed, { within: 5_000 });
      await announce('b', {});
      expect(await killed()).toBe(false); // it was only cut off from the broker
    },
  );
});
