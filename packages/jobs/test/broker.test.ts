/** With a real broker that is restarted, its memory lost. */
import { type JobEvent, jobEvent } from '@cl-server/contract';
import { type Broadcaster, connectBroadcaster, silentLogger } from '@cl-server/service-kit';
import { backends, eventually, hasMosquitto, startMosquitto, type TestBroker } from '@cl-server/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startEngine, type TestEngine } from './support/engine.js';

const [sqlite] = backends();

describe.skipIf(!hasMosquitto())('with a broker', () => {
  let broker: TestBroker;
  let engine: TestEngine;
  let ours: Broadcaster;
  let client: Broadcaster;
  const heard: JobEvent[] = [];

  beforeAll(async () => {
    broker = await startMosquitto();
    ours = await connectBroadcaster({ url: broker.url, logger: silentLogger() });
    client = await connectBroadcaster({ url: broker.url, logger: silentLogger() });
    await client.subscribe('inference/events', (_topic, payload) => {
      heard.push(jobEvent.parse(JSON.parse(payload.toString())));
    });
    if (!sqlite) throw new Error('no backend');
    engine = await startEngine(sqlite, { broadcaster: ours, jobStatusTopic: true });
  });
  afterAll(async () => {
    await engine.dispose();
    await Promise.all([ours.close(), client.close()]);
    await broker.stop();
  });

  it('the end of every job reaches a client across restarts', async () => {
    const ids: string[] = [];
    for (let round = 0; round < 3; round++) {
      const restarting = broker.restart();
      for (let count = 0; count < 10; count++) ids.push(await engine.add());
      const claims = await engine.repository.claim({ workerId: 'w', types: { noop: 10 }, limit: 10 });
      await engine.repository.complete(claims.map(({ job, token }) => ({ job_id: job.job_id, token, output: null })));
      await restarting;
      await eventually(() => ours.connected && client.connected);
    }
    await eventually(async () => {
      engine.clock.advance(2_001);
      await engine.events.relay();
      const ended = new Set(heard.filter(({ event_type }) => event_type === 'completed').map(({ job_id }) => job_id));
      return ids.every((id) => ended.has(id));
    });
    await eventually(async () => {
      await engine.events.flush();
      return (await engine.repository.stats()).outbox === 0;
    });
  });

  it('statuses that a dead process left retained are corrected, or cleared where their job is gone', async () => {
    const topic = (id: string) => `job/status/${id}`;
    const retained = async (ids: readonly string[]) => {
      const found = new Map<string, string>();
      const reader = await connectBroadcaster({ url: broker.url, logger: silentLogger() });
      await reader.subscribe('job/status/+', (name, payload) => {
        found.set(name.slice(topic('').length), JSON.parse(payload.toString()).status);
      });
      await eventually(() => found.has('marker'));
      await reader.close();
      return ids.map((id) => found.get(id));
    };
    const stale = (id: string) => ours.publish(topic(id), { job_id: id, status: 'processing' }, { retain: true });
    const [longAgo, justNow, waiting] = [await engine.add(), await engine.add(), await engine.add()];
    const complete = async () => {
      const worker = engine.another();
      const [claim] = await worker.repository.claim({ workerId: 'w', types: { noop: 1 }, limit: 1 });
      if (!claim) throw new Error('no job waits');
      await worker.repository.complete([{ job_id: claim.job.job_id, token: claim.token, output: null }]);
      await worker.close();
      return claim.job.job_id;
    };
    const done = [await complete()];
    await engine.events.flush();
    engine.clock.advance(3_600_001);
    done.push(await complete());
    expect(done).toEqual([longAgo, justNow]);
    await engine.reconciler.quick();
    const gone = 'deleted-while-a-worker-published';
    // A message of a worker that read the job before and then dies.
    for (const id of [longAgo, justNow, gone]) await stale(id);
    const last = [longAgo, justNow, gone, waiting];
    await ours.publish(topic('marker'), { status: 'processing' }, { retain: true });

    await engine.reconciler.full();
    await eventually(async () => (await retained([justNow]))[0] === 'completed');
    expect(await retained(last), 'on a broker of many').toEqual([undefined, 'completed', 'processing', 'queued']);
    const owner = engine.another({ ownsBroker: true });
    expect(await owner.reconciler.full()).toMatchObject({ statuses_corrected: 2 });
    await ours.publish(topic('marker'), { status: 'processing' }, { retain: true });
    expect(await retained(last)).toEqual([undefined, 'completed', undefined, 'queued']);
    expect(await owner.reconciler.full(), 'the marker alone').toMatchObject({ statuses_corrected: 1 });
  });
});
