/** The job endpoints. Compute and store serve them, with the same handlers on the same tables. */
import { z } from 'zod';
import { type AnyEndpoint, type Bodies, type Endpoint, endpoint } from '../http/endpoint.js';
import { commonJobForm, type FileRule } from '../tasks/task.js';
import { batchRequest, batchResponse, jobList, jobListQuery, taskList } from './lists.js';
import { job, jobCreated } from './schemas.js';

const jobId = z.object({ job_id: z.string().max(200) });
const created = { description: 'Accepted: the job and its file are stored', schema: jobCreated };
const missing = { description: 'The job does not exist or is not yours' };

const creationErrors = {
  400: { description: 'The fields contradict each other' },
  403: { description: 'The user lacks the permission, or a field names a file of the server' },
  409: { description: 'The `Idempotency-Key` was used for another request' },
  413: { description: 'The file is too large' },
  429: { description: 'Too many of your jobs are queued; retry after the time in `Retry-After`' },
  507: { description: 'The server has no space left' },
} as const;

const IDEMPOTENCY =
  'With a header `Idempotency-Key` (1 to 200 characters), a repeated request returns the job of the first one';

/**
 * The data that an endpoint is made from; the contract of a built-in task and the definition of a plugin both have it.
 */
export interface TaskRoute<Form extends z.ZodObject = z.ZodObject> {
  readonly type: string;
  readonly summary: string;
  /** Default: required. */
  readonly file?: FileRule;
  readonly params: Form;
}

const filePart = (rule: FileRule | undefined) =>
  rule === 'none'
    ? undefined
    : { file: { required: rule !== 'optional', description: 'The file to process; its content decides its type' } };

/** `POST /jobs/<task>`, with the form of the task. */
export const taskEndpoint = <F extends z.ZodObject>(task: TaskRoute<F>) => {
  const files = filePart(task.file);
  return endpoint({
    id: `create_${task.type}_job`,
    method: 'POST',
    path: `/jobs/${task.type}`,
    aliases: [`/compute/jobs/${task.type}`],
    guard: 'compute',
    tag: 'job',
    summary: `${task.summary}. ${IDEMPOTENCY}`,
    form: task.params.extend(commonJobForm),
    ...(files && { files }),
    responses: { 200: created, ...creationErrors },
  });
};

/** Creates a job of any task, also of a plugin's; `taskEndpoint` makes the endpoint with the form of one task. */
export const createJob = endpoint({
  id: 'create_job',
  method: 'POST',
  path: '/jobs/{task_type}',
  aliases: ['/compute/jobs/{task_type}'],
  // OpenAPI takes `/jobs/{task_type}` and `/jobs/{job_id}` for the same path.
  documentedPath: '/compute/jobs/{task_type}',
  guard: 'compute',
  tag: 'job',
  summary: `Create a job of any task from the task’s fields, \`priority\` and \`file\`. ${IDEMPOTENCY}`,
  params: z.object({ task_type: z.string().max(200) }),
  form: z.looseObject(commonJobForm),
  files: { file: { required: false, description: 'The file to process, if the task takes one' } },
  responses: { 200: created, ...creationErrors, 404: { description: 'No such task' } },
});

/** The endpoint of one task: only the task knows which fields its form has beside the common ones. */
export type TaskEndpoint = Endpoint<
  z.ZodObject<Record<never, never>>,
  z.ZodObject<Record<never, never>>,
  NonNullable<typeof createJob.form>,
  z.ZodUndefined,
  Bodies<typeof createJob>
>;

export const createBatch = endpoint({
  id: 'create_jobs_batch',
  method: 'POST',
  path: '/jobs/batch',
  aliases: ['/compute/jobs/batch'],
  guard: 'compute',
  tag: 'job',
  summary:
    'Create many jobs without uploads, from files of earlier jobs or from parameters alone. Each item succeeds or fails by itself',
  json: batchRequest,
  maxBody: 1_048_576,
  responses: { 200: { description: 'One result for each item, in the order of the request', schema: batchResponse } },
});

export const listJobs = endpoint({
  id: 'list_jobs',
  method: 'GET',
  path: '/jobs',
  guard: 'compute',
  tag: 'job',
  summary: 'List your jobs, or as an admin everyone’s, the newest first',
  query: jobListQuery,
  responses: { 200: { description: 'A page', schema: jobList } },
});

export const getJob = endpoint({
  id: 'get_job',
  method: 'GET',
  path: '/jobs/{job_id}',
  guard: 'compute',
  tag: 'job',
  summary: 'Get one job',
  params: jobId,
  responses: { 200: { description: 'The job', schema: job }, 404: missing },
});

export const deleteJob = endpoint({
  id: 'delete_job',
  method: 'DELETE',
  path: '/jobs/{job_id}',
  guard: 'compute',
  tag: 'job',
  summary: 'Delete a job and its files; a running job is stopped',
  params: jobId,
  responses: { 204: { description: 'Gone' }, 404: missing },
});

export const getJobFile = endpoint({
  id: 'get_job_file',
  method: 'GET',
  path: '/jobs/{job_id}/files/{file_path*}',
  aliases: ['/jobs/{job_id}/files'],
  guard: 'compute',
  tag: 'job',
  summary: 'Download a file of the job, its input or a committed result. Supports `Range` and `If-None-Match`',
  params: z.object({ job_id: z.string().max(200), file_path: z.string().default('') }),
  responses: {
    200: { description: 'The bytes', content: 'application/octet-stream' },
    206: { description: 'The requested part of the bytes', content: 'application/octet-stream' },
    304: { description: 'Not modified' },
    400: { description: 'The path is not a file' },
    403: { description: 'The path leads outside the job, or the user lacks the permission' },
    404: { description: 'The job or file does not exist' },
    416: { description: 'The file does not have this range' },
  },
});

export const cancelJob = endpoint({
  id: 'cancel_job',
  method: 'POST',
  path: '/jobs/{job_id}/cancel',
  guard: 'compute',
  tag: 'job',
  summary: 'Cancel a job: a queued job immediately, a running job as soon as its worker is notified',
  params: jobId,
  responses: {
    200: { description: 'The updated job', schema: job },
    404: missing,
    409: { description: 'The job has already ended' },
  },
});

export const retryJob = endpoint({
  id: 'retry_job',
  method: 'POST',
  path: '/jobs/{job_id}/retry',
  guard: 'compute',
  tag: 'job',
  summary: 'Queue a failed job again with its attempts reset',
  params: jobId,
  responses: {
    200: { description: 'The updated job', schema: job },
    404: missing,
    409: { description: 'The job is not failed' },
    429: creationErrors[429],
  },
});

export const watchJob = endpoint({
  id: 'watch_job',
  method: 'GET',
  path: '/jobs/{job_id}/events',
  guard: 'compute',
  tag: 'job',
  summary:
    'Follow a job by server-sent events: its current state, then every change until it ends. For clients without MQTT',
  params: jobId,
  responses: {
    200: { description: 'Each message carries the whole job as JSON', content: 'text/event-stream' },
    204: { description: 'The client has seen the end already (`Last-Event-ID`) and should not reconnect' },
    404: missing,
    429: { description: 'Too many open streams' },
  },
});

export const listTasks = endpoint({
  id: 'list_tasks',
  method: 'GET',
  path: '/tasks',
  guard: 'public',
  tag: 'job',
  summary: 'List all tasks with their fields, output and source, and whether they can run now',
  responses: { 200: { description: 'The tasks', schema: taskList } },
});

export const jobEndpoints: readonly AnyEndpoint[] = [
  createBatch,
  createJob,
  listJobs,
  getJob,
  deleteJob,
  getJobFile,
  cancelJob,
  retryJob,
  watchJob,
  listTasks,
];
