/** With a real broker that is restarted, its memory lost. */
import { type JobEvent, jobEvent } from '@cl-server/contract';
import { type Broadcaster, connectBroadcaster, silentLogger } from '@cl-server/runtime';
import { backends, eventually, hasMosquitto, startMosquitto, type TestBroker } from '@cl-server/testing';
import { afterAll, beforeAll, describe, it } from 'vitest';
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
});
