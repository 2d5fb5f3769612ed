import type { Job, JobEvent } from '@cl-server/contract';
import { isTerminal, type JobStatus } from '@cl-server/contract/constants';
import { JobCancelledError, JobFailedError } from '../errors.js';

/** A job's state as this package shows it: on the wire a cancelled job is a failed one with a reason. */
export type JobState = JobStatus | 'cancelled';

/** One change of a job. */
export interface JobUpdate {
  readonly jobId: string;
  readonly state: JobState;
  /** 0 to 100. */
  readonly progress: number;
  /** Milliseconds since 1970, by the server's clock. */
  readonly timestamp: number;
}

/** A job that ended well; `Output` is the task's. */
export type CompletedJob<Output = Record<string, unknown>> = Omit<Job, 'task_output' | 'status'> & {
  readonly status: 'completed';
  readonly task_output: Output;
};

/**
 * How a job stands: its status, with cancellations told from other failures.
 *
 * @example
 * ```ts
 * const state = sdk.jobState(await compute.jobs.get(jobId));
 * ```
 */
export const jobState = (job: Pick<Job, 'status' | 'error_code'>): JobState =>
  job.error_code === 'cancelled' ? 'cancelled' : job.status;

/**
 * Whether the job has come to an end.
 *
 * @example
 * ```ts
 * const over = sdk.hasEnded(await compute.jobs.get(jobId));
 * ```
 */
export const hasEnded = (job: Pick<Job, 'status'>): boolean => isTerminal(job.status);

export const updateOfJob = (job: Job): JobUpdate => ({
  jobId: job.job_id,
  state: jobState(job),
  progress: job.progress,
  timestamp: job.completed_at ?? job.updated_at ?? job.created_at,
});

export const updateOfEvent = (event: JobEvent): JobUpdate => ({
  jobId: event.job_id,
  state: event.event_type,
  progress: event.progress,
  timestamp: event.timestamp,
});

/**
 * The job if it ended well.
 * @throws JobCancelledError, JobFailedError
 */
export function completed<Output>(job: Job): CompletedJob<Output> {
  if (job.status === 'completed') return job as unknown as CompletedJob<Output>;
  throw jobState(job) === 'cancelled' ? new JobCancelledError(job) : new JobFailedError(job);
}
