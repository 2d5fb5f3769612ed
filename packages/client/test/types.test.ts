import { endpoint, job } from '@cl-server/contract';
import { describe, expectTypeOf, it } from 'vitest';
import type {
  ClServer,
  CompletedJob,
  Entity,
  getJob,
  HttpClient,
  Job,
  JobCreated,
  JobHandle,
  listJobs,
  renameKnownPerson,
  SearchResult,
} from '../src/index.js';

declare const cl: ClServer;
declare const http: HttpClient;

/** Like `getJob`, but its job has no `status`. */
const renamed = endpoint({
  id: 'renamed',
  method: 'GET',
  path: '/renamed/{job_id}',
  guard: 'public',
  tag: 'test',
  summary: 'A job whose status has another name',
  responses: {
    200: { description: 'The job', schema: job.omit({ status: true }).extend({ state: job.shape.status }) },
  },
});

/** Never called, as above: calls of endpoints. */
export const calls = {
  right: (): Promise<Job> =>
    http.call<typeof getJob>({ method: 'GET', path: '/jobs/{job_id}', params: { job_id: 'a' } }),
  renamedField: (): Promise<Job> =>
    // @ts-expect-error: the result lacks `status`
    http.call<typeof renamed>({ method: 'GET', path: '/renamed/{job_id}', params: { job_id: 'a' } }),
  wrongMethod: () =>
    // @ts-expect-error: the endpoint is a GET
    http.call<typeof getJob>({ method: 'POST', path: '/jobs/{job_id}', params: { job_id: 'a' } }),
  // @ts-expect-error: the path is another endpoint's
  wrongPath: () => http.call<typeof getJob>({ method: 'GET', path: '/job/{job_id}', params: { job_id: 'a' } }),
  // @ts-expect-error: the parameter has another name
  wrongParameter: () => http.call<typeof getJob>({ method: 'GET', path: '/jobs/{job_id}', params: { id: 'a' } }),
  // @ts-expect-error: the parameters are missing
  noParameters: () => http.call<typeof getJob>({ method: 'GET', path: '/jobs/{job_id}' }),
  query: () => http.call<typeof listJobs>({ method: 'GET', path: '/jobs', query: { task_type: 'hash' } }),
  // @ts-expect-error: the filter has another name
  wrongQuery: () => http.call<typeof listJobs>({ method: 'GET', path: '/jobs', query: { task: 'hash' } }),
  wrongBody: () =>
    http.call<typeof renameKnownPerson>({
      method: 'PATCH',
      path: '/intelligence/known-persons/{person_id}',
      params: { person_id: 1 },
      // @ts-expect-error: the field is called `name`
      json: { title: 'Ann' },
    }),
};

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
  // @ts-expect-error: the task takes no file, and its text must be given
  noText: () => cl.compute.clipText.embedText(),
  // @ts-expect-error: only a task whose file is optional goes without one
  noFile: () => cl.compute.exif.extract(undefined),
  withoutFile: () => cl.compute.hlsStreaming.generateManifest(undefined),
  // @ts-expect-error: the format is an argument, not an option
  twice: () => cl.compute.imageConversion.convert('a.jpg', 'png', { format: 'webp' }),
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
