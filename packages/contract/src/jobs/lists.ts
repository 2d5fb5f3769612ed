/** What the job endpoints beyond one job speak of: lists, batches, tasks, workers, storage and preferences. */
import { z } from 'zod';
import { JOB_STATUSES, PRIORITY } from '../constants.js';
import { field } from '../http/field.js';
import { listOf, listQuery } from '../http/list.js';
import { job, jobCreated, workerCapability } from './schemas.js';

/** `cancelled` finds the failed jobs that somebody stopped. */
export const JOB_STATUS_FILTERS = [...JOB_STATUSES, 'cancelled'] as const;
export type JobStatusFilter = (typeof JOB_STATUS_FILTERS)[number];

export const jobListQuery = z.object({
  status: field.choice(JOB_STATUS_FILTERS).optional(),
  task_type: field.filter(64),
  created_by: field.filter(200).describe('Id of the user who created the job'),
  created_after: field.int({ ge: 0 }).optional().describe('Milliseconds since 1970: this moment and later'),
  created_before: field.int({ ge: 0 }).optional().describe('Milliseconds since 1970: earlier than this moment'),
  q: field.filter(200).describe('Text in the task, the id, the parameters or the error message; case does not count'),
  ...listQuery,
});
export type JobListQuery = z.infer<typeof jobListQuery>;

/** Newest first. */
export const jobList = listOf(job).extend({
  /** True where more match than were counted. */
  total_is_estimate: z.boolean(),
});
export type JobList = z.infer<typeof jobList>;

/** Jobs that one batch may create. */
export const MAX_BATCH = 100;

export const batchItem = z.strictObject({
  task_type: z.string().min(1).max(64),
  /** The task's own form fields; numbers, booleans and lists as such. */
  params: z.record(z.string(), z.unknown()).default({}),
  priority: z.int().min(PRIORITY.min).max(PRIORITY.max).optional(),
  /** The new job's file: a file of an earlier job of the same owner, e.g. `input/photo.jpg` or `faces/face_0.png`. */
  input: z.strictObject({ job_id: z.string().min(1).max(200), path: z.string().min(1).max(1000) }).optional(),
  /** As the header `Idempotency-Key` of a single creation. */
  idempotency_key: z.string().min(1).max(200).optional(),
});
export type BatchItem = z.input<typeof batchItem>;

export const batchRequest = z.array(batchItem).min(1).max(MAX_BATCH);

/** What became of one item: the job, or the refusal that a single creation would have been answered with. */
export const batchResult = z.discriminatedUnion('ok', [
  z.object({ ok: z.literal(true), job: jobCreated }),
  z.object({
    ok: z.literal(false),
    status: z.int(),
    code: z.string(),
    detail: z.union([z.string(), z.array(z.unknown())]),
  }),
]);
export type BatchResult = z.infer<typeof batchResult>;

/** In the order of the request. */
export const batchResponse = z.object({ results: z.array(batchResult) });
export type BatchResponse = z.infer<typeof batchResponse>;

export const taskInfo = z.object({
  task_type: z.string(),
  version: z.string(),
  summary: z.string(),
  /** Whether its jobs come with an upload, in the part named `file`. */
  file: z.enum(['required', 'optional', 'none']),
  /** `builtin`, or the package or plugin folder's name that it comes from. */
  source: z.string(),
  /** JSON Schema of the form fields beside `file` and `priority`. */
  params: z.record(z.string(), z.unknown()),
  /** JSON Schema of `task_output`. */
  output: z.record(z.string(), z.unknown()),
  timeout_seconds: z.number(),
  requirements: z.object({ tools: z.array(z.string()), models: z.array(z.string()) }),
  /** Whether some live worker can run it now. */
  available: z.boolean(),
  /** Why not, if it is not available. */
  reason: z.string().nullable(),
});
export type TaskInfo = z.infer<typeof taskInfo>;

export const taskList = z.object({ items: z.array(taskInfo) });
export type TaskList = z.infer<typeof taskList>;

export const workerList = z.object({ items: z.array(workerCapability) });
export type WorkerList = z.infer<typeof workerList>;

export const storageSize = z.object({
  total_size: z.int().describe('Bytes of all job files'),
  job_count: z.int().describe('Jobs that have files'),
});
export type StorageSize = z.infer<typeof storageSize>;

export const cleanupResult = z.object({
  deleted_count: z.int().describe('Jobs removed, each with its row and its files'),
  freed_space: z.int().describe('Bytes'),
});
export type CleanupResult = z.infer<typeof cleanupResult>;

export const guestMode = z.object({ guest_mode: z.boolean() });
export type GuestMode = z.infer<typeof guestMode>;

export const computePreferences = guestMode.extend({
  updated_at: z.int().nullable(),
  updated_by: z.string().nullable(),
});
export type ComputePreferences = z.infer<typeof computePreferences>;

export const guestModeUpdated = guestMode.extend({ message: z.string() });
export type GuestModeUpdated = z.infer<typeof guestModeUpdated>;

export const computeRoot = z.object({
  status: z.literal('healthy'),
  service: z.string(),
  version: z.string(),
  guestMode: z.enum(['on', 'off']),
  /** False where anyone may create jobs now. */
  auth_required: z.boolean(),
});
export type ComputeRoot = z.infer<typeof computeRoot>;
