/** A job, its events, and what workers report about themselves. */
import { z } from 'zod';
import { JOB_ERROR_CODES, JOB_STATUSES, LACKS } from '../constants.js';
import { CAPABILITIES, JOB, JOB_CREATED, WORKER } from './examples.js';

const milliseconds = z.int().describe('Milliseconds since 1970, UTC');

export const jobStatus = z.enum(JOB_STATUSES);
export const jobErrorCode = z.enum(JOB_ERROR_CODES);

/**
 * A job as clients see it. The keys up to `completed_at` keep the order that existing clients know
 * (docs/compatibility.md).
 */
export const job = z
  .object({
    job_id: z.string(),
    task_type: z.string(),
    status: jobStatus,
    progress: z.int().min(0).max(100),
    params: z.record(z.string(), z.unknown()),
    task_output: z.record(z.string(), z.unknown()).nullable(),
    error_message: z.string().nullable(),
    priority: z.int(),
    created_at: milliseconds,
    updated_at: milliseconds.nullable(),
    started_at: milliseconds.nullable(),
    completed_at: milliseconds.nullable(),
    error_code: jobErrorCode.nullable(),
    created_by: z.string().nullable(),
    retry_count: z.int(),
    max_retries: z.int(),
  })
  .meta({ id: 'Job', example: JOB });
export type Job = z.infer<typeof job>;

export const jobCreated = z
  .object({
    job_id: z.string(),
    status: jobStatus,
    task_type: z.string(),
  })
  .meta({ id: 'JobCreated', example: JOB_CREATED });
export type JobCreated = z.infer<typeof jobCreated>;

/** The message on `inference/events`: flat and small, readable by everyone. */
export const jobEvent = z.object({
  job_id: z.string(),
  event_type: jobStatus,
  timestamp: milliseconds,
  progress: z.int().min(0).max(100),
});
export type JobEvent = z.infer<typeof jobEvent>;

/** Tasks that a worker cannot run, with the reasons, as the worker writes them into the job database. */
export const workerLacks = z.record(z.string(), z.object({ code: z.string(), reason: z.string() }));

export const unavailableCode = z.enum([...LACKS, 'task_failed']);
export type UnavailableCode = z.infer<typeof unavailableCode>;

/** The retained message on `inference/workers/{worker_id}`; an empty payload means that the worker is offline. */
export const workerCapability = z
  .object({
    worker_id: z.string(),
    id: z.string(),
    capabilities: z.array(z.string()),
    idle_count: z.int().min(0),
    timestamp: milliseconds,
    /** Tasks that this worker knows but cannot run now, with the reasons. */
    unavailable: z.record(z.string(), z.string()).optional(),
    /**
     * The kind of each reason. If a live worker reports `model_missing`, `model_unusable` or `tool_missing` for a task, and
     * no live worker can run it or may still become able to, its queued jobs fail with that code and the reason.
     */
    unavailable_codes: z.record(z.string(), unavailableCode).optional(),
  })
  .meta({ id: 'WorkerCapability', example: WORKER });
export type WorkerCapability = z.infer<typeof workerCapability>;

export const capabilities = z
  .object({
    num_workers: z.int(),
    capabilities: z.record(z.string(), z.int()),
  })
  .meta({ id: 'Capabilities', example: CAPABILITIES });
export type Capabilities = z.infer<typeof capabilities>;
