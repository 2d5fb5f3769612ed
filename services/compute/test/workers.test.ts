/** Workers as they are heard of through a real broker. */
import { connectBroadcaster, silentLogger } from '@cl-server/service-kit';
import { type Backend, backends, eventually, hasMosquitto, startMosquitto, type TestBroker } from '@cl-server/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ANN, startService, type TestService } from './support/service.js';

describe.skipIf(!hasMosquitto())('workers behind a broker', () => {
  const [backend] = backends();
  let broker: TestBroker;
  let compute: TestService;
  let worker: Awaited<ReturnType<typeof connectBroadcaster>>;
  let mine: Awaited<ReturnType<typeof connectBroadcaster>>;
  beforeAll(async () => {
    broker = await startMosquitto();
    const logger = silentLogger();
    worker = await connectBroadcaster({ url: broker.url, logger });
    mine = await connectBroadcaster({ url: broker.url, logger });
    compute = await startService(backend as Backend, { broadcaster: mine });
  });
  afterAll(async () => {
    await compute.close();
    await Promise.all([worker.close(), mine.close()]);
    await broker.stop();
  });
  const announce = (id: string, more: object) =>
    worker.publish(
      `inference/workers/${id}`,
      { worker_id: id, id, capabilities: [], idle_count: 1, timestamp: Date.now(), ...more },
      { retain: true },
    );
  const capabilities = async () => (await compute.request('GET', '/capabilities')).json;
  const task = async () => (await compute.request('GET', '/tasks')).json.items[0];

  it('come, are summed, and go', async () => {
    expect(await task()).toMatchObject({ available: false, reason: 'no worker is running' });
    await announce('a', { capabilities: ['count'], idle_count: 2 });
    await announce('b', { capabilities: ['count'], idle_count: 1 });
    await eventually(async () => (await capabilities()).capabilities.count === 3);
    expect(await task()).toMatchObject({ available: true, reason: null });
    expect((await compute.request('GET', '/workers', ANN)).json.items).toMatchObject([
      { worker_id: 'a', idle_count: 2 },
      { worker_id: 'b' },
    ]);
    await worker.clearRetained('inference/workers/b');
    await eventually(async () => (await capabilities()).num_workers === 1);
  });

  it('jobs that all of them refuse fail at once, with what is missing; others wait', async () => {
    const create = async () => (await compute.request('POST', '/jobs/count', ANN, {})).json.job_id as string;
    const job = async (id: string) => (await compute.request('GET', `/jobs/${id}`, ANN)).json;
    const early = await create();
    expect((await job(early)).status).toBe('queued');
    const lacking = {
      unavailable: { count: 'The model count.onnx is missing: put it into the models folder' },
      unavailable_codes: { count: 'model_missing' },
    };
    await announce('a', lacking);
    await eventually(async () => (await job(early)).status === 'failed');
    const late = await create();
    await eventually(async () => (await job(late)).status === 'failed');
    expect(await job(late)).toMatchObject({
      error_code: 'model_missing',
      error_message: lacking.unavailable.count,
      retry_count: 0,
    });
    expect(await task()).toMatchObject({ available: false, reason: lacking.unavailable.count });
    const failures = /cls_jobs_failed_total\{task="count",code="model_missing",service="compute"\} 2/;
    await eventually(async () => failures.test((await compute.request('GET', '/metrics')).text));
  });
});
