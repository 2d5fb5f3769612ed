import path from 'node:path';
import { field, hlsStreamingTask, type TokenClaims } from '@cl-server/contract';
import { type JobEngine, type JobTables, jobMigrations, openJobs } from '@cl-server/jobs';
import {
  type App,
  createApp,
  createMetrics,
  migrate,
  noBroadcaster,
  openDatabase,
  silentLogger,
  unauthenticated,
} from '@cl-server/service-kit';
import { type AnyTask, defineTask, TaskRefusal, TaskRegistry } from '@cl-server/task-kit';
import { type Backend, folderWith, tempDir } from '@cl-server/testing';
import { z } from 'zod';
import { createJobApi, type JobApiOptions } from '../../src/index.js';

// Services load definitions only; nothing here ever runs.
const load = async () => ({ run: async () => ({}) as never });

/** A task with a required file and fields of every kind. */
export const copy = defineTask({
  type: 'copy',
  version: '1.2.3',
  summary: 'Copies a file',
  params: z.object({
    label: field.text({ max: 20 }).optional(),
    times: field.int({ ge: 1, le: 9 }).default(1),
    loud: field.bool().default(false),
  }),
  output: z.object({ size: z.int() }),
  outputPath: (_params, input) => `output/${input?.name ?? 'copy'}`,
  timeout: 30,
  load,
});

/** A task whose file may be left out, and that looks at its fields together. */
export const fetch_path = defineTask({
  type: 'fetch_path',
  version: '1.0.0',
  summary: 'Works on a file or on a path',
  file: 'optional',
  params: z.object({
    input_absolute_path: field.text().optional(),
    variants: hlsStreamingTask.form.shape.variants.removeDefault().optional(),
  }),
  output: z.object({}),
  prepare: ({ input_absolute_path }, { input, mediaDir }) => {
    if (input_absolute_path === undefined && !input)
      throw new TaskRefusal(400, 'Either file or input_absolute_path must be provided');
    if (input_absolute_path === 'odd') throw new TaskRefusal(422, 'Too odd', 'input_absolute_path');
    if (input_absolute_path !== undefined && !input_absolute_path.startsWith(mediaDir))
      throw new TaskRefusal(403, 'The path is not in the media folder');
    return input_absolute_path === undefined ? undefined : { input_path: '' };
  },
  load,
});

/** A task without a file. */
export const count = defineTask({
  type: 'count',
  version: '1.0.0',
  summary: 'Counts',
  file: 'none',
  params: z.object({ to: field.int({ ge: 0 }) }),
  output: z.object({ sum: z.int() }),
  load,
});

export const registryOf = (...definitions: AnyTask[]): TaskRegistry =>
  new TaskRegistry(
    definitions.map((definition) => ({
      task: definition.type,
      package: definition.type === 'copy' ? '@cl-server/tasks' : 'cl-plugin-more',
      version: definition.version,
      source: definition.type === 'copy' ? 'builtin' : 'package',
      file: `/nowhere/${definition.type}.js`,
      state: 'loaded',
      definition,
    })),
  );

/** `ann`, `ann!` for an admin, `ann+job_priority` for a permission. */
const claims = (user: string): TokenClaims => ({
  id: user.replace('!', ''),
  permissions: user.split('+').slice(1),
  is_admin: user.endsWith('!'),
  exp: Math.floor(Date.now() / 1000) + 3600,
  iss: 'cl-server',
  ver: 0,
});

export interface TestApi {
  readonly base: string;
  readonly jobs: JobEngine;
  readonly app: App;
  readonly folder: string;
  /** @param user an id; with `!` an admin; absent: a stranger who is let in */
  request(method: string, path: string, options?: RequestOptions): Promise<TestAnswer>;
  /** Creates a `copy` job. @returns its id */
  upload(options?: UploadOptions): Promise<string>;
  close(): Promise<void>;
}

interface RequestOptions {
  readonly user?: string;
  readonly headers?: Record<string, string>;
  readonly body?: FormData | URLSearchParams | string;
  readonly json?: unknown;
}
interface UploadOptions {
  readonly user?: string;
  readonly name?: string;
  readonly content?: string;
  readonly fields?: Record<string, string>;
  readonly headers?: Record<string, string>;
}
export interface TestAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into bodies of any shape
  readonly json: any;
}

export function fileForm(name: string, content: string, fields: Record<string, string> = {}): FormData {
  const form = new FormData();
  for (const [key, value] of Object.entries(fields)) form.append(key, value);
  form.append('file', new Blob([content]), name);
  return form;
}

/** @param revoked users who are refused from the moment that they are in it */
export async function startApi(
  backend: Backend,
  options: Partial<JobApiOptions> = {},
  revoked: ReadonlySet<string> = new Set(),
): Promise<TestApi> {
  const created = await backend.create();
  const dir = tempDir('cl-job-routes-');
  const database = openDatabase<JobTables>(created.url, { schema: 'jobs', synchronous: 'normal' });
  await migrate(database, jobMigrations);
  const { logger = silentLogger() } = options;
  const jobs = openJobs({ database, storageDir: path.join(dir.path, 'compute'), broadcaster: noBroadcaster, logger });
  const api = createJobApi({
    jobs,
    tasks: registryOf(copy, fetch_path, count),
    logger,
    mediaDir: '/srv/media',
    streamsDir: '/srv/streams',
    ...options,
  });
  const app = createApp({
    info: { title: 'Test', version: '1', description: '' },
    endpoints: api.endpoints,
    authorize: async (guard, { headers }) => {
      const user = headers['x-user'];
      if ((user === 'nobody' || revoked.has(String(user))) && guard !== 'public')
        throw unauthenticated('Authentication required');
      return typeof user === 'string' ? claims(user) : null;
    },
    logger,
    metrics: createMetrics('test'),
    uploads: { folder: jobs.storage.uploads, maxBytes: 1_000_000 },
    checkResponses: true,
  });
  api.serve(app);
  const base = await app.listen({ host: '127.0.0.1', port: 0 });
  const request: TestApi['request'] = async (method, where, { user, headers = {}, body, json } = {}) => {
    const answer = await fetch(base + where, {
      method,
      headers: {
        ...(user !== undefined && { 'x-user': user }),
        ...(json !== undefined && { 'content-type': 'application/json' }),
        ...headers,
      },
      body: json === undefined ? (body ?? null) : JSON.stringify(json),
    });
    const text = await answer.text();
    return {
      status: answer.status,
      headers: answer.headers,
      text,
      json: /json/.test(answer.headers.get('content-type') ?? '') && text !== '' ? JSON.parse(text) : undefined,
    };
  };
  return {
    base,
    jobs,
    app,
    folder: path.join(dir.path, 'compute'),
    request,
    upload: async ({ user = 'ann', name = 'a.txt', content = 'hello', fields = {}, headers = {} } = {}) => {
      const answer = await request('POST', '/jobs/copy', { user, headers, body: fileForm(name, content, fields) });
      if (answer.status !== 200) throw new Error(`job not created: ${answer.status} ${answer.text}`);
      return answer.json.job_id as string;
    },
    close: async () => {
      await app.close();
      await jobs.close();
      await database.close();
      await created.drop();
      dir.remove();
    },
  };
}

/** Runs the oldest waiting job as a worker would: one result file, then the commit. */
export async function finishOne(jobs: JobEngine, files: Record<string, string> = { 'output/a.txt': 'done' }) {
  const claim = (
    await jobs.repository.claim({ workerId: 'test-worker', types: { copy: 1, fetch_path: 1, count: 1 }, limit: 1 })
  )[0];
  if (!claim) throw new Error('no job waits');
  const { job, token, attempt } = claim;
  await jobs.storage.deliver(job.job_id, attempt, folderWith(files));
  const [accepted] = await jobs.repository.complete([{ job_id: job.job_id, token, output: { size: 4 } }]);
  if (!accepted) throw new Error('the result was refused');
  return job.job_id;
}
