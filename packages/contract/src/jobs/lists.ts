/** Lists and summaries around jobs: job lists, batches, tasks, workers, storage and preferences. */
import { z } from 'zod';
import { JOB_STATUSES, PRIORITY } from '../constants.js';
import { field } from '../http/field.js';
import { listOf, listQuery } from '../http/list.js';
import { BATCH, TASK_INFO } from './examples.js';
import { job, jobCreated, workerCapability } from './schemas.js';

/** `cancelled` finds the failed jobs that a user cancelled. */
export const JOB_STATUS_FILTERS = [...JOB_STATUSES, 'cancelled'] as const;
export type JobStatusFilter = (typeof JOB_STATUS_FILTERS)[number];

export const jobListQuery = z.object({
  status: field
    .choice(JOB_STATUS_FILTERS)
    .optional()
    .describe('Only jobs of this status; `cancelled` are the failed jobs that a user cancelled'),
  task_type: field.filter(64).describe('Only jobs of this task'),
  created_by: field.filter(200).describe('Id of the user who created the job'),
  created_after: field.int({ ge: 0 }).optional().describe('Milliseconds since 1970; this time or later'),
  created_before: field.int({ ge: 0 }).optional().describe('Milliseconds since 1970; before this time'),
  q: field
    .filter(200)
    .describe('Text in the task, the id, the parameters or the error message; upper and lower case are equal'),
  ...listQuery,
});
export type JobListQuery = z.infer<typeof jobListQuery>;

/** A page of jobs, the newest first. */
export const jobList = listOf(job)
  .extend({
    /** True if more jobs match than were counted. */
    total_is_estimate: z.boolean(),
  })
  .meta({ id: 'JobList' });
export type JobList = z.infer<typeof jobList>;

/** Maximum number of jobs that one batch creates. */
export const MAX_BATCH = 100;

export const batchItem = z.strictObject({
  task_type: z.string().min(1).max(64),
  /** The form fields of the task; numbers, booleans and lists need not be written as text. */
  params: z.record(z.string(), z.unknown()).default({}),
  priority: z.int().min(PRIORITY.min).max(PRIORITY.max).optional(),
  /**
   * The file of the new job: a file of an earlier job of the same owner, e.g. `input/photo.jpg` or `faces/face_0.png`.
   */
  input: z.strictObject({ job_id: z.string().min(1).max(200), path: z.string().min(1).max(1000) }).optional(),
  /** The same as the header `Idempotency-Key` of a single creation. */
  idempotency_key: z.string().min(1).max(200).optional(),
});
export type BatchItem = z.input<typeof batchItem>;

export const batchRequest = z.array(batchItem).min(1).max(MAX_BATCH).meta({ example: BATCH });

/** The outcome of one item: the job, or the error response that a single creation would have had. */
export const batchResult = z
  .discriminatedUnion('ok', [
    z.object({ ok: z.literal(true), job: jobCreated }),
    z.object({
      ok: z.literal(false),
      status: z.int(),
      code: z.string(),
      detail: z.union([z.string(), z.array(z.unknown())]),
    }),
  ])
  .meta({ id: 'BatchResult' });
export type BatchResult = z.infer<typeof batchResult>;

/** The results, in the order of the request. */
export const batchResponse = z.object({ results: z.array(batchResult) }).meta({ id: 'BatchResponse' });
export type BatchResponse = z.infer<typeof batchResponse>;

export const taskInfo = z
  .object({
    task_type: z.string(),
    version: z.string(),
    summary: z.string(),
    /** Whether jobs of the task need an upload, in the part named `file`. */
    file: z.enum(['required', 'optional', 'none']),
    /** `builtin`, or the name of the package or plugin folder that brought the task. */
    source: z.string(),
    /** JSON Schema of the form fields beside `file` and `priority`. */
    params: z.record(z.string(), z.unknown()),
    /** JSON Schema of `task_output`. */
    output: z.record(z.string(), z.unknown()),
    timeout_seconds: z.number(),
    requirements: z.object({ tools: z.array(z.string()), models: z.array(z.string()) }),
    /** Whether a live worker can run it now. */
    available: z.boolean(),
    /** The reason why the task is not available. */
    reason: z.string().nullable(),
  })
  .meta({ id: 'TaskInfo', example: TASK_INFO });
export type TaskInfo = z.infer<typeof taskInfo>;

export const taskList = z.object({ items: z.array(taskInfo) }).meta({ id: 'TaskList' });
export type TaskList = z.infer<typeof taskList>;

export const workerList = z.object({ items: z.array(workerCapability) }).meta({ id: 'WorkerList' });
export type WorkerList = z.infer<typeof workerList>;

export const storageSize = z
  .object({
    total_size: z.int().describe('Total size of all job files in bytes'),
    job_count: z.int().describe('Number of jobs that have files'),
  })
  .meta({ id: 'StorageSize' });
export type StorageSize = z.infer<typeof storageSize>;

export const cleanupResult = z
  .object({
    deleted_count: z.int().describe('Number of jobs deleted with their files'),
    freed_space: z.int().describe('Bytes'),
  })
  .meta({ id: 'CleanupResult' });
export type CleanupResult = z.infer<typeof cleanupResult>;

export const guestMode = z.object({ guest_mode: z.boolean() }).meta({ id: 'GuestMode' });
export type GuestMode = z.infer<typeof guestMode>;

export const computePreferences = guestMode
  .extend({
    updated_at: z.int().nullable(),
    updated_by: z.string().nullable(),
  })
  .meta({ id: 'ComputePreferences' });
export type ComputePreferences = z.infer<typeof computePreferences>;

export const guestModeUpdated = guestMode.extend({ message: z.string() }).meta({ id: 'GuestModeUpdated' });
export type GuestModeUpdated = z.infer<typeof guestModeUpdated>;

export const computeRoot = z
  .object({
    status: z.literal('healthy'),
    service: z.string(),
    version: z.string(),
    guestMode: z.enum(['on', 'off']),
    /** False if anyone may create jobs now. */
    auth_required: z.boolean(),
  })
  .meta({ id: 'ComputeRoot' });
export type ComputeRoot = z.infer<typeof computeRoot>;
