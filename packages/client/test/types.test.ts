import { describe, expectTypeOf, it } from 'vitest';
import type { ClServer, CompletedJob, Entity, JobCreated, JobHandle, SearchResult } from '../src/index.js';

declare const cl: ClServer;

/** Never called: the compiler alone looks at these. */
const asked = {
  hash: () => cl.compute.hash.compute('a.jpg', { algorithm: 'md5', priority: 9 }),
  unawaited: () => cl.compute.hash.compute('a.jpg', { wait: false }),
  plugin: () => cl.compute.run<{ answer: number }>('my_task'),
  faces: async () => (await cl.compute.faceDetection.detect('a.jpg')).task_output.faces[0],
  list: () => cl.store.entities.list({ type: 'video' }),
  search: () => cl.store.search.all('a dog'),
  // @ts-expect-error: no such algorithm
  wrongWord: () => cl.compute.hash.compute('a.jpg', { algorithm: 'crc32' }),
  // @ts-expect-error: the format must be said
  missing: () => cl.compute.imageConversion.convert('a.jpg'),
  // @ts-expect-error: no such filter
  wrongFilter: () => cl.store.entities.list({ colour: 'red' }),
};

describe('types', () => {
  it('give a task’s own output', () => {
    expectTypeOf(asked.hash).returns.toMatchTypeOf<JobHandle>;
    expectTypeOf<Awaited<ReturnType<typeof asked.hash>>['task_output']['phash']>().toEqualTypeOf<string | null>();
    expectTypeOf<Awaited<ReturnType<typeof asked.plugin>>>().toEqualTypeOf<CompletedJob<{ answer: number }>>();
    expectTypeOf<NonNullable<Awaited<ReturnType<typeof asked.faces>>>['bbox']['x1']>().toEqualTypeOf<number>();
  });

  it('know that an unawaited job has no output yet', () => {
    expectTypeOf<Awaited<ReturnType<typeof asked.unawaited>>>().toEqualTypeOf<JobCreated>();
  });

  it('are of the items in lists', () => {
    expectTypeOf(asked.list).returns.toEqualTypeOf<AsyncGenerator<Entity>>();
    expectTypeOf(asked.search).returns.toEqualTypeOf<AsyncGenerator<SearchResult>>();
  });
});
