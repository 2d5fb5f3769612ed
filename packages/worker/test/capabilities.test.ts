import fs from 'node:fs';
import path from 'node:path';
import { type WorkerCapability, workerCapability } from '@cl-server/contract';
import { type Broadcaster, connectBroadcaster, silentLogger } from '@cl-server/service-kit';
import { eventually, hasMosquitto, startMosquitto, type TestBroker } from '@cl-server/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type TestPlatform, testPlatform } from './support/platform.js';

describe.skipIf(!hasMosquitto())('what a worker announces', () => {
  let broker: TestBroker;
  let platform: TestPlatform;
  let listener: Broadcaster;
  let heard: { readonly topic: string; readonly payload: string }[];
  beforeEach(async () => {
    broker = await startMosquitto();
    platform = await testPlatform({ plugins: ['noop', 'probe', 'fragile'], mqttUrl: broker.url });
    listener = await connectBroadcaster({ url: broker.url, logger: silentLogger() });
    heard = [];
    await listener.subscribe('inference/workers/+', (topic, payload) => {
      heard.push({ topic, payload: payload.toString() });
    });
  });
  afterEach(async () => {
    await listener.close();
    await platform.close();
    await broker.stop();
  });

  const last = (): WorkerCapability | undefined => {
    const { payload } = heard.at(-1) ?? { payload: '' };
    return payload === '' ? undefined : workerCapability.parse(JSON.parse(payload));
  };

  it('is what it can run, what it cannot and why, retained and in the register; gone when it stops', async () => {
    const worker = platform.start({ args: ['--concurrency', '2'] });
    await worker.ready;
    const first = await eventually(last);
    expect(first).toEqual({
      worker_id: 'w1',
      id: 'w1',
      capabilities: ['noop', 'probe'],
      idle_count: 2,
      unavailable: { fragile: 'fragile.onnx is missing: put it into MODELS_DIR' },
      unavailable_codes: { fragile: 'model_missing' },
      timestamp: expect.any(Number),
    });
    const { worker_id, capabilities, idle_count, unavailable } = first;
    expect(await platform.jobs.workers.live()).toEqual([
      {
        worker_id,
        capabilities,
        idle_count,
        unavailable: { fragile: { code: 'model_missing', reason: unavailable?.['fragile'] } },
        seen_at: expect.any(Number),
      },
    ]);

    const id = await platform.add('probe', { action: 'wait' });
    await eventually(() => last()?.idle_count === 1);
    await platform.jobs.repository.cancel(id);
    await eventually(() => last()?.idle_count === 2);
    // One message for each state, however often the worker polled meanwhile; the beat is every ten seconds.
    expect(heard.map(({ payload }) => JSON.parse(payload).idle_count)).toEqual([2, 1, 2]);

    worker.child.send({ type: 'drain' });
    expect(await worker.exited).toBe(0);
    await eventually(() => heard.at(-1)?.payload === '');
    expect(await platform.jobs.workers.live()).toEqual([]);
  });

  it('is published again when a task becomes available, after a broker restart, and is taken back when the worker dies', async () => {
    const worker = platform.start({ env: { WORKER_RECHECK_SECONDS: '0.2' } });
    await worker.ready;
    fs.mkdirSync(path.join(platform.dataDir, 'models'), { recursive: true });
    fs.writeFileSync(path.join(platform.dataDir, 'models', 'fragile.onnx'), 'x');
    await eventually(() => last()?.capabilities.includes('fragile'));
    heard.length = 0;
    await broker.restart();
    await eventually(() => last()?.capabilities.includes('fragile'), { what: 'the announcement after the restart' });
    worker.child.kill('SIGKILL');
    await eventually(() => heard.at(-1)?.payload === '', { what: 'the last will' });
  });

  it('does not decide when jobs start: one begins within 50 ms of its event', async () => {
    await platform.start({ env: { WORKER_POLL_INTERVAL: '30' } }).ready;
    const waits: number[] = [];
    for (let count = 0; count < 20; count++) {
      const job = await platform.ended(await platform.add('noop'));
      waits.push((job.started_at ?? Number.POSITIVE_INFINITY) - job.created_at);
    }
    // The median, for other tests share the machine; the bench looks at the tail.
    expect(waits.sort((a, b) => a - b)[10]).toBeLessThan(50);
  });
});
