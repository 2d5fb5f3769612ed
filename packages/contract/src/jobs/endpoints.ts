/** The job endpoints, served by compute and by store, with the same handlers on the same tables. */
import { z } from 'zod';
import { type AnyEndpoint, type Bodies, type Endpoint, endpoint } from '../http/endpoint.js';
import { commonJobForm, type FileRule } from '../tasks/task.js';
import { batchRequest, batchResponse, jobList, jobListQuery, taskList } from './lists.js';
import { job, jobCreated } from './schemas.js';

const jobId = z.object({ job_id: z.string().max(200) });
const created = { description: 'Accepted: row and file are on disk', schema: jobCreated };
const missing = { description: 'No such job, or not yours' };

const creationErrors = {
  400: { description: 'The fields do not fit together' },
  403: { description: 'The user lacks the right, or a field names a file of the server' },
  409: { description: 'The `Idempotency-Key` was used for another request' },
  413: { description: 'The file is larger than the server accepts' },
  429: { description: 'Too many of your jobs are waiting; `Retry-After` says when to come back' },
  507: { description: 'The server has no space left' },
} as const;

const IDEMPOTENCY =
  'A header `Idempotency-Key` (1 to 200 characters) makes a repeated request give the job of the first';

/** What an endpoint is made from; both a built-in task's contract and a plugin's definition can give it. */
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
    : { file: { required: rule !== 'optional', description: 'The file to work on; its type is decided by content' } };

/** `POST /jobs/<task>`, with the task's own form. */
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

/** Any task, a plugin's too; each task's own form is at `taskEndpoint`. */
export const createJob = endpoint({
  id: 'create_job',
  method: 'POST',
  path: '/jobs/{task_type}',
  aliases: ['/compute/jobs/{task_type}'],
  guard: 'compute',
  tag: 'job',
  summary: `Create a job of any task: its fields, \`priority\` and \`file\`. ${IDEMPOTENCY}`,
  params: z.object({ task_type: z.string().max(200) }),
  form: z.looseObject(commonJobForm),
  files: { file: { required: false, description: 'The file to work on, where the task takes one' } },
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
  summary: 'Create many jobs without uploads: on files of earlier jobs, or on parameters alone; each its own outcome',
  json: batchRequest,
  maxBody: 1_048_576,
  responses: { 200: { description: 'One result for each item, in order', schema: batchResponse } },
});

export const listJobs = endpoint({
  id: 'list_jobs',
  method: 'GET',
  path: '/jobs',
  guard: 'compute',
  tag: 'job',
  summary: 'Jobs, the newest first: your own, or everyone’s for an admin',
  query: jobListQuery,
  responses: { 200: { description: 'A page', schema: jobList } },
});

export const getJob = endpoint({
  id: 'get_job',
  method: 'GET',
  path: '/jobs/{job_id}',
  guard: 'compute',
  tag: 'job',
  summary: 'One job',
  params: jobId,
  responses: { 200: { description: 'The job', schema: job }, 404: missing },
});

export const deleteJob = endpoint({
  id: 'delete_job',
  method: 'DELETE',
  path: '/jobs/{job_id}',
  guard: 'compute',
  tag: 'job',
  summary: 'Remove a job and its files; a running one is stopped',
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
  summary: 'A file of the job: its input or a committed result. Honours `Range` and `If-None-Match`',
  params: z.object({ job_id: z.string().max(200), file_path: z.string().default('') }),
  responses: {
    200: { description: 'The bytes', content: 'application/octet-stream' },
    206: { description: 'A part of the bytes', content: 'application/octet-stream' },
    304: { description: 'Not changed' },
    400: { description: 'The path is not a file' },
    403: { description: 'The path leads out of the job, or the user lacks the right' },
    404: { description: 'No such job or file' },
    416: { description: 'No such range' },
  },
});

export const cancelJob = endpoint({
  id: 'cancel_job',
  method: 'POST',
  path: '/jobs/{job_id}/cancel',
  guard: 'compute',
  tag: 'job',
  summary: 'Stop a job: a waiting one at once, a running one as soon as its worker hears of it',
  params: jobId,
  responses: {
    200: { description: 'The job as it is now', schema: job },
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
  summary: 'Queue a failed job again, its tries counted anew',
  params: jobId,
  responses: {
    200: { description: 'The job as it is now', schema: job },
    404: missing,
    409: { description: 'The job has not failed' },
    429: creationErrors[429],
  },
});

export const watchJob = endpoint({
  id: 'watch_job',
  method: 'GET',
  path: '/jobs/{job_id}/events',
  guard: 'compute',
  tag: 'job',
  summary: 'Server-sent events: the job now and at every change, until its end. For clients without MQTT',
  params: jobId,
  responses: {
    200: { description: 'Each message carries the whole job as JSON', content: 'text/event-stream' },
    204: { description: 'The end was seen already (`Last-Event-ID`): do not reconnect' },
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
  summary: 'Every task: its fields, its output, where it comes from, and whether it can run now',
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
