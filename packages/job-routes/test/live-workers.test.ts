import { type Broadcaster, type MessageListener, noBroadcaster, silentLogger } from '@cl-server/service-kit';
import { beforeEach, describe, expect, it } from 'vitest';
import { LiveWorkers } from '../src/index.js';

describe('live workers', () => {
  let now: number;
  let say: (id: string, announcement: unknown, retained?: boolean) => void;
  let workers: LiveWorkers;
  beforeEach(async () => {
    now = 1_000_000;
    let listener: MessageListener = () => undefined;
    const broadcaster: Broadcaster = {
      ...noBroadcaster,
      connected: true,
      subscribe: async (_filter, listen) => {
        listener = listen;
        return async () => undefined;
      },
    };
    workers = await new LiveWorkers({
      broadcaster,
      prefix: 'inference/workers',
      maxAge: 30_000,
      logger: silentLogger(),
      now: () => now,
    }).start();
    say = (id, announcement, retained = false) =>
      listener(
        `inference/workers/${id}`,
        Buffer.from(typeof announcement === 'string' ? announcement : JSON.stringify(announcement)),
        retained,
      );
  });
  const beat = (capabilities: string[], idle_count: number, more: object = {}) => ({
    capabilities,
    idle_count,
    timestamp: now,
    worker_id: 'x',
    ...more,
  });

  it('are summed task by task; a busy one keeps its tasks in the list', () => {
    say('a', beat(['hash', 'exif'], 1));
    say('b', beat(['hash'], 2));
    say('c', beat(['clip'], 0));
    expect(workers.capabilities()).toEqual({ num_workers: 3, capabilities: { hash: 3, exif: 1, clip: 0 } });
    expect(workers.list().map(({ worker_id, id }) => [worker_id, id])).toEqual([
      ['a', 'a'],
      ['b', 'b'],
      ['c', 'c'],
    ]);
  });

  it('go with an empty message, or with silence', () => {
    say('a', beat(['hash'], 1));
    say('b', beat(['hash'], 1));
    say('a', '');
    expect(workers.capabilities().num_workers).toBe(1);
    now += 29_999;
    expect(workers.capabilities().num_workers).toBe(1);
    now += 1;
    expect(workers.capabilities()).toEqual({ num_workers: 0, capabilities: {} });
  });

  it('that a broker remembers from long ago are not alive', () => {
    say('old', beat(['hash'], 1, { timestamp: now - 30_000 }), true);
    say('recent', beat(['hash'], 1, { timestamp: now - 20_000 }), true);
    expect(workers.list().map(({ worker_id }) => worker_id)).toEqual(['recent']);
    now += 10_000;
    expect(workers.list()).toEqual([]);
  });

  it('that speak nonsense are ignored', () => {
    for (const text of ['{', '[]', '7', '{"capabilities":"hash"}', '{"capabilities":[],"idle_count":-1,"timestamp":1}'])
      say('a', text);
    expect(workers.list()).toEqual([]);
  });

  it('tell whether a task can run, and why not', () => {
    expect(workers.availability('hash')).toEqual({ available: false, reason: 'no worker is running' });
    say('a', beat(['hash'], 0, { unavailable: { clip: 'put clip.onnx into the models folder' } }));
    expect(workers.availability('hash')).toEqual({ available: true, reason: null });
    expect(workers.availability('clip')).toEqual({ available: false, reason: 'put clip.onnx into the models folder' });
    expect(workers.availability('other')).toEqual({ available: false, reason: 'no running worker takes this task' });
  });

  it('refuse a task together only where all know it and none can mend it', () => {
    const lacking = { unavailable: { clip: 'no clip.onnx' }, unavailable_codes: { clip: 'model_missing' } };
    say('a', beat(['hash'], 1, lacking));
    expect(workers.refusedByAll()).toEqual(new Map([['clip', { code: 'model_missing', reason: 'no clip.onnx' }]]));
    say('b', beat(['hash'], 1));
    expect(workers.refusedByAll().size).toBe(0);
    say('b', beat(['hash', 'clip'], 1));
    expect(workers.refusedByAll().size).toBe(0);
    say('b', beat(['hash'], 1, { unavailable: { clip: 'broke' }, unavailable_codes: { clip: 'task_failed' } }));
    expect(workers.refusedByAll().size).toBe(0);
    say('b', beat(['hash'], 1, lacking));
    expect(workers.refusedByAll().size).toBe(1);
    say('b', beat(['hash'], 1, { unavailable: { clip: 'cut' }, unavailable_codes: { clip: 'model_unusable' } }));
    expect(workers.refusedByAll().get('clip')).toEqual({ code: 'model_missing', reason: 'no clip.onnx' });
  });
});
