import type { MessageListener } from '@cl-server/service-kit';
import { backends, eventually } from '@cl-server/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { impossibleTasks, type RegisteredWorker, STARTING, type WorkerAbilities } from '../src/index.js';
import { RecordingBroadcaster, startEngine, type TestEngine } from './support/engine.js';

const able = (...capabilities: string[]): WorkerAbilities => ({ capabilities, unavailable: {}, idle_count: 1 });
const without = (task: string, code: string, reason = `${task}: ${code}`): WorkerAbilities => ({
  capabilities: ['other'],
  unavailable: { [task]: { code, reason } },
  idle_count: 1,
});

describe.each(backends())('the register of workers on $name', (backend) => {
  let engine: TestEngine;
  beforeEach(async () => {
    engine = await startEngine(backend, { workerMaxAgeMs: 1_000 });
  });
  afterEach(() => engine.dispose());
  const live = async () => (await engine.another({ workerMaxAgeMs: 1_000 }).workers.live()).map((row) => row);

  it('shows every process which workers live and what each wrote last, until it is silent or withdraws', async () => {
    expect(await live()).toEqual([]);
    await engine.workers.announce('b', able('hash'));
    const lacking = without('hash', 'tool_missing');
    await engine.workers.announce('a', lacking);
    await engine.workers.announce('b', { ...able('hash', 'exif'), idle_count: null });
    const seen_at = engine.clock.time;
    const a = { worker_id: 'a', ...lacking, seen_at };
    const b = { worker_id: 'b', ...able('hash', 'exif'), idle_count: null, seen_at };
    expect(await live()).toEqual([a, b]);
    await engine.workers.withdraw('a');
    expect(await live()).toEqual([b]);
    engine.clock.advance(999);
    expect(await live()).toEqual([b]);
    engine.clock.advance(1);
    expect(await live()).toEqual([]);
  });

  it('forgets a worker that was killed long ago', async () => {
    await engine.workers.announce('killed', able('hash'));
    engine.clock.advance(4_000_000);
    await engine.workers.announce('another', able());
    const rows = await engine.database.kysely.selectFrom('workers').select('worker_id').execute();
    expect(rows).toEqual([{ worker_id: 'another' }]);
  });
});

describe('a task is impossible', () => {
  const verdict = (...workers: WorkerAbilities[]) =>
    impossibleTasks(workers.map((row, n): RegisteredWorker => ({ worker_id: `w${n}`, seen_at: 0, ...row }))).get(
      'clip',
    );
  const missing = without('clip', 'model_missing', 'no clip.onnx');

  it('if a worker lacks what it needs and no other can run it; a worker that does not take it changes nothing', () => {
    const expected = { code: 'model_missing', reason: 'no clip.onnx' };
    expect(verdict(missing)).toEqual(expected);
    expect(verdict(missing, able('hash'))).toEqual(expected);
    expect(verdict(without('clip', 'model_unusable'), missing)).toEqual(expected);
    expect(verdict(without('clip', 'tool_missing'))?.code).toBe('tool_missing');
  });

  it('not while a worker can run it, may still become able to, or nobody said that it lacks something', () => {
    expect(verdict(missing, able('clip'))).toBeUndefined();
    expect(verdict(able('clip'), missing)).toBeUndefined();
    expect(verdict(missing, without('clip', STARTING))).toBeUndefined();
    expect(verdict(missing, without('clip', 'task_failed'))).toBeUndefined();
    expect(verdict(without('clip', 'task_failed'))).toBeUndefined();
    expect(verdict(able('hash'))).toBeUndefined();
    expect(verdict()).toBeUndefined();
  });
});

describe.each(backends())('jobs that no worker can run on $name', (backend) => {
  let engine: TestEngine;
  let broker: AnnouncingBroadcaster | undefined;
  const lacking = without('noop', 'model_missing', 'no noop.onnx');
  const status = async (id: string) => (await engine.repository.getJob(id))?.status;
  afterEach(() => engine.dispose());

  it('fail for good in a pass of the reconciler, with what is missing; those that some worker can run wait', async () => {
    engine = await startEngine(backend);
    const [possible, impossible] = [await engine.add({ task_type: 'other' }), await engine.add()];
    expect(await engine.reconciler.quick()).toMatchObject({ jobs_without_worker: 0 });
    await engine.workers.announce('a', lacking);
    await engine.workers.announce('b', able('noop'));
    expect(await engine.reconciler.quick()).toMatchObject({ jobs_without_worker: 0 });
    await engine.workers.withdraw('b');
    const others = [engine, engine.another()];
    const reports = await Promise.all(others.map(({ reconciler }) => reconciler.quick()));
    expect(reports.reduce((sum, { jobs_without_worker }) => sum + jobs_without_worker, 0)).toBe(1);
    expect(await engine.repository.getJob(impossible)).toMatchObject({
      status: 'failed',
      error_code: 'model_missing',
      error_message: 'no noop.onnx',
      retry_count: 0,
    });
    expect(await status(possible)).toBe('queued');
  });

  it('fail at once when a worker announces itself, when its last will comes, and when they are queued', async () => {
    broker = new AnnouncingBroadcaster();
    engine = await startEngine(backend, { broadcaster: broker });
    const stop = new AbortController();
    const running = engine.reconciler.run(stop.signal, { quickEveryMs: 600_000 }); // only hints make it look
    const first = await engine.add();
    await eventually(() => broker?.isHeard);
    await engine.workers.announce('b', able('noop'));
    await engine.workers.announce('a', lacking);
    await engine.repository.claim({ workerId: 'b', types: { noop: 1 }, limit: 1 });
    const second = await engine.add();
    broker.say('inference/workers/a', '{"worker_id":"a"}');
    broker.say('inference/workers/b', ''); // killed: its row is still young
    await eventually(async () => (await status(second)) === 'failed');
    expect(await engine.workers.live()).toMatchObject([{ worker_id: 'a' }]);
    const third = await engine.add();
    await eventually(async () => (await status(third)) === 'failed');
    expect(await status(first)).toBe('processing');
    stop.abort();
    await running;
    expect(broker.isHeard).toBe(false);
  });

  it('fail although the broker does not answer', async () => {
    const silent = new SilentBroadcaster();
    engine = await startEngine(backend, { broadcaster: silent });
    await engine.workers.announce('a', lacking);
    const id = await engine.add();
    const stop = new AbortController();
    const running = engine.reconciler.run(stop.signal, { quickEveryMs: 10 });
    await eventually(async () => (await status(id)) === 'failed');
    stop.abort();
    silent.answer();
    await running;
  });
});

/** Answers no subscription until the test lets it. */
class SilentBroadcaster extends RecordingBroadcaster {
  answer: () => void = () => undefined;
  readonly #answered = new Promise<void>((resolve) => {
    this.answer = resolve;
  });

  override subscribe = async (): Promise<() => Promise<void>> => {
    await this.#answered;
    return async () => undefined;
  };
}

/** Lets a test speak as workers do. */
class AnnouncingBroadcaster extends RecordingBroadcaster {
  readonly #listeners = new Map<string, MessageListener>();

  override subscribe = async (filter: string, listener: MessageListener): Promise<() => Promise<void>> => {
    this.#listeners.set(filter, listener);
    return async () => void this.#listeners.delete(filter);
  };
  get isHeard(): boolean {
    return this.#listeners.has('inference/workers/+');
  }
  say(topic: string, payload: string): void {
    this.#listeners.get('inference/workers/+')?.(topic, Buffer.from(payload), false);
  }
}
