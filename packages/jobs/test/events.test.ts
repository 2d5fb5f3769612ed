import { type Job, jobEvent } from '@cl-server/contract';
import { noBroadcaster, silentLogger } from '@cl-server/service-kit';
import { backends } from '@cl-server/testing';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ProgressThrottle } from '../src/events/publisher.js';
import { StatusTopic } from '../src/events/status-topic.js';
import { jobView } from '../src/index.js';
import { RecordingBroadcaster, startEngine, type TestEngine } from './support/engine.js';

const TOPIC = 'inference/events';

describe.each(backends())('events on $name', (backend) => {
  let engine: TestEngine;
  let broker: RecordingBroadcaster;
  beforeEach(async () => {
    broker = new RecordingBroadcaster();
    engine = await startEngine(backend, { broadcaster: broker, jobStatusTopic: true });
  });
  afterEach(() => engine.dispose());

  const events = (id: string) =>
    broker
      .on(TOPIC)
      .map((payload) => jobEvent.parse(payload))
      .filter(({ job_id }) => job_id === id);
  const words = (id: string): string[] => events(id).map(({ event_type }) => event_type);
  const take = async () => {
    const claim = (await engine.repository.claim({ workerId: 'worker', types: { noop: 1 }, limit: 1 }))[0];
    if (!claim) throw new Error('nothing to claim');
    return { job_id: claim.job.job_id, token: claim.token };
  };
  const outbox = async (): Promise<number> => (await engine.repository.stats()).outbox;

  it('report every status change in order, progress never falling, 100 only at the end', async () => {
    const id = await engine.add();
    const fence = await take();
    for (const percent of [10, 5, 50]) await engine.repository.progress([{ ...fence, percent }]);
    engine.clock.advance(5_000);
    await engine.repository.complete([{ ...fence, output: null }]);
    await engine.events.flush();
    expect(words(id)[0]).toBe('queued');
    expect(words(id).at(-1)).toBe('completed');
    const progress = events(id).map((event) => event.progress);
    expect(progress).toEqual([...progress].sort((a, b) => a - b));
    expect(progress.at(-1)).toBe(100);
    expect(progress.indexOf(100)).toBe(progress.length - 1);
    expect(await outbox()).toBe(0);
  });

  it('repeat the end of a short job, for those who subscribe late; not that of a long one', async () => {
    const short = await engine.add();
    await engine.repository.complete([{ ...(await take()), output: null }]);
    const long = await engine.add();
    const fence = await take();
    engine.clock.advance(1_000);
    await engine.repository.complete([{ ...fence, output: null }]);
    await vi.waitFor(() => expect(words(short)).toEqual(['queued', 'processing', 'completed', 'completed']), 3_000);
    expect(words(long)).toEqual(['queued', 'processing', 'completed']);
  });

  it('of the end are published when the broker is back, after older ones were given up', async () => {
    broker.connected = false;
    const id = await engine.add();
    await engine.repository.complete([{ ...(await take()), output: null }]);
    await engine.events.flush();
    expect(await outbox()).toBe(3);
    expect(await engine.events.relay()).toBe(0);
    broker.connected = true;
    engine.clock.advance(2_001);
    expect(await engine.another().events.relay()).toBe(3);
    expect(words(id)).toEqual(['completed']);
    expect(await outbox()).toBe(0);
  });

  it('carry the whole job on its own topic, retained, cleared when it is deleted', async () => {
    const id = await engine.add();
    const topic = `job/status/${id}`;
    await engine.repository.complete([{ ...(await take()), output: { a: 1 } }]);
    const stored = await engine.repository.getJob(id);
    await vi.waitFor(() => expect(broker.on(topic).at(-1)).toEqual(stored && jobView(stored)), 3_000);
    await engine.repository.deleteJob(id);
    await engine.events.flush();
    await vi.waitFor(() => expect(broker.on(topic).at(-1)).toBe(''), 3_000);
    expect(broker.messages.filter((message) => message.topic === topic).every(({ retain }) => retain)).toBe(true);
    expect(broker.messages.filter((message) => message.topic === TOPIC).some(({ retain }) => retain)).toBe(false);
  });

  it('leave no status behind of a job that another process deletes between the reading and the publishing', async () => {
    const id = await engine.add();
    await engine.events.flush();
    const said: string[] = [];
    const job = await engine.repository.getJob(id);
    let isThere = true;
    const topic = new StatusTopic({
      broadcaster: {
        ...noBroadcaster,
        publish: async (_topic, payload) => {
          said.push((payload as Job).status);
          isThere = false; // and its empty message has been published
          return true;
        },
        clearRetained: async () => {
          said.push('');
          return true;
        },
      },
      logger: silentLogger(),
      read: async () => (isThere && job ? new Map([[id, job]]) : new Map()),
    });
    topic.show(id, false);
    await topic.flush();
    expect(said).toEqual(['queued', '']);
  });

  it('clear the status of a job that was deleted while the broker was away', async () => {
    const id = await engine.add();
    await engine.events.flush();
    broker.connected = false;
    await engine.repository.deleteJob(id);
    await engine.events.flush();
    broker.connected = true;
    engine.clock.advance(2_001);
    await engine.events.relay();
    expect(broker.on(`job/status/${id}`).at(-1)).toBe('');
  });

  it('let a job be watched until its end, also without a broker', async () => {
    const id = await engine.add();
    const seen: string[] = [];
    const watching = (async () => {
      for await (const job of engine.events.watch(id, { signal: AbortSignal.timeout(20_000) })) {
        seen.push(job.status);
        if (job.status === 'queued') {
          const fence = await take();
          void engine.repository.complete([{ ...fence, output: null }]);
        }
      }
    })();
    await watching;
    expect(seen[0]).toBe('queued');
    expect(seen.at(-1)).toBe('completed');
  });
});

describe('progress', () => {
  it('is published ten times a second at most, the newest value, and nothing after the end', () => {
    vi.useFakeTimers();
    try {
      const published: number[] = [];
      const throttle = new ProgressThrottle((_job, progress) => published.push(progress));
      for (let percent = 1; percent <= 50; percent++) {
        throttle.report('j', percent);
        vi.advanceTimersByTime(20);
      }
      expect(published.length).toBeGreaterThanOrEqual(10);
      expect(published.length).toBeLessThanOrEqual(11);
      expect(published).toEqual([...published].sort((a, b) => a - b));
      throttle.report('j', 80);
      throttle.drop('j');
      vi.advanceTimersByTime(1_000);
      expect(published).not.toContain(80);
    } finally {
      vi.useRealTimers();
    }
  });
});
