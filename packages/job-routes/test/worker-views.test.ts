import type { RegisteredWorker } from '@cl-server/jobs';
import { describe, expect, it } from 'vitest';
import { WorkerViews } from '../src/index.js';

const worker = (worker_id: string, capabilities: string[], more: Partial<RegisteredWorker> = {}): RegisteredWorker => ({
  worker_id,
  capabilities,
  unavailable: {},
  idle_count: 1,
  seen_at: 1_000,
  ...more,
});
const viewsOf = (...workers: RegisteredWorker[]) => new WorkerViews({ live: async () => workers });

describe('views of the register of workers', () => {
  it('sum idle places task by task; a busy worker keeps its tasks in the list, and one that starts is not counted', async () => {
    const starting = worker('d', ['hash'], { idle_count: null });
    const views = viewsOf(
      worker('a', ['hash', 'exif']),
      worker('b', ['hash'], { idle_count: 2 }),
      worker('c', ['clip'], { idle_count: 0 }),
      starting,
    );
    expect(await views.capabilities()).toEqual({ num_workers: 3, capabilities: { hash: 3, exif: 1, clip: 0 } });
    expect((await views.list()).map(({ worker_id, id }) => [worker_id, id])).toEqual([
      ['a', 'a'],
      ['b', 'b'],
      ['c', 'c'],
    ]);
    expect(await viewsOf().capabilities()).toEqual({ num_workers: 0, capabilities: {} });
  });

  it('show a worker as existing clients know it, and leave out tasks that are being set up', async () => {
    const unavailable = {
      clip: { code: 'model_missing', reason: 'no clip.onnx' },
      dino: { code: 'starting', reason: 'the task is being set up' },
    };
    expect(await viewsOf(worker('a', ['hash'], { unavailable })).list()).toEqual([
      {
        worker_id: 'a',
        id: 'a',
        capabilities: ['hash'],
        idle_count: 1,
        unavailable: { clip: 'no clip.onnx' },
        unavailable_codes: { clip: 'model_missing' },
        timestamp: 1_000,
      },
    ]);
  });

  it('say whether a task can run, and if not, why', async () => {
    expect(await viewsOf().availability('hash')).toEqual({ available: false, reason: 'no worker is running' });
    const reason = 'put clip.onnx into the models folder';
    const views = viewsOf(worker('a', ['hash'], { unavailable: { clip: { code: 'model_missing', reason } } }));
    expect(await views.availability('hash')).toEqual({ available: true, reason: null });
    expect(await views.availability('clip')).toEqual({ available: false, reason });
    expect(await views.availability('other')).toEqual({
      available: false,
      reason: 'no running worker takes this task',
    });
  });
});
