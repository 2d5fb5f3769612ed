/**
 * The life of a job.
 *
 *   state \ action   claim       progress    complete   fail            release  cancel       expire          reject  retry
 *   queued           processing  -           -          -               -        failed       -               failed  -
 *   processing       -           processing  completed  queued, failed  queued   processing*  queued, failed  -       -
 *   completed        -           -           -          -               -        -            -               -       -
 *   failed           -           -           -          -               -        -            -               -       queued
 *
 *   `-` is refused: nothing changes. `*` only asks the worker to stop.
 *   claim, progress, complete, fail and release of a running job also need its newest fencing token (`holds`).
 *   fail: queued again while it may be retried and tries are left, else failed. Failing what was to be cancelled cancels.
 *   expire: the lease ran out. Queued again while tries are left, else failed with `worker_lost`; cancelled if asked for.
 *
 * `claim`, `progress` and `complete` are hot and done in SQL (repository/sqlite.ts, repository/postgres.ts) with the same
 * rules; the model test holds both to one reference.
 */
import type { JobErrorCode, JobStatus } from '@cl-server/contract';
import type { JobRow } from './tables.js';

export type JobAction =
  | { readonly type: 'claim'; readonly token: string; readonly workerId: string; readonly leaseUntil: number }
  | { readonly type: 'progress'; readonly percent: number }
  | { readonly type: 'complete'; readonly output: string | null }
  | { readonly type: 'fail'; readonly code: JobErrorCode; readonly message: string; readonly retryable: boolean }
  | { readonly type: 'release' }
  | { readonly type: 'cancel' }
  | { readonly type: 'expire' }
  | { readonly type: 'reject'; readonly code: JobErrorCode; readonly message: string }
  | { readonly type: 'retry' };
export type ActionType = JobAction['type'];

/** The diagram above, as data. */
export const TRANSITIONS: Readonly<Record<JobStatus, Partial<Record<ActionType, readonly JobStatus[]>>>> = {
  queued: { claim: ['processing'], cancel: ['failed'], reject: ['failed'] },
  processing: {
    progress: ['processing'],
    complete: ['completed'],
    fail: ['queued', 'failed'],
    release: ['queued'],
    cancel: ['processing'],
    expire: ['queued', 'failed'],
  },
  completed: {},
  failed: { retry: ['queued'] },
};

export interface RetryPolicy {
  /** Milliseconds before the first retry; doubled with each. */
  readonly delayMs: number;
  readonly maxDelayMs: number;
}

/** The columns that are written. */
export type JobPatch = Partial<Omit<JobRow, 'seq' | 'job_id' | 'task_type' | 'created_at' | 'created_by'>>;

type Facts = Pick<JobRow, 'status' | 'progress' | 'attempt' | 'retry_count' | 'max_retries' | 'cancel_requested'>;

/** Progress while a job runs; 100 is for the commit alone. */
export const MAX_RUNNING_PROGRESS = 99;

export const CANCELLED_MESSAGE = 'Cancelled';
export const WORKER_LOST_MESSAGE = 'The worker that ran this job was lost, as in every try before';

/** Whether a token is the newest of a running job. */
export const holds = (job: Pick<JobRow, 'status' | 'token'>, token: string): boolean =>
  job.status === 'processing' && job.token !== null && job.token === token;

const FREED = { token: null, worker_id: null, lease_until: null, cancel_requested: 0 } as const;

const ended = (now: number, code: JobErrorCode, message: string): JobPatch => ({
  ...FREED,
  status: 'failed',
  error_code: code,
  error_message: message,
  completed_at: now,
  run_after: null,
});

const cancelled = (now: number): JobPatch => ended(now, 'cancelled', CANCELLED_MESSAGE);

const tryAgain = (job: Facts, now: number, policy: RetryPolicy): JobPatch => ({
  ...FREED,
  status: 'queued',
  started_at: null,
  retry_count: job.retry_count + 1,
  run_after: policy.delayMs === 0 ? null : now + Math.min(policy.maxDelayMs, policy.delayMs * 2 ** job.retry_count),
});

/**
 * The effect of an action on a job.
 * @returns the change, or undefined where the state refuses the action
 */
export function transition(job: Facts, action: JobAction, now: number, policy: RetryPolicy): JobPatch | undefined {
  if (!TRANSITIONS[job.status][action.type]) return undefined;
  const patch = change(job, action, now, policy);
  return { ...patch, updated_at: now };
}

function change(job: Facts, action: JobAction, now: number, policy: RetryPolicy): JobPatch {
  switch (action.type) {
    case 'claim':
      return {
        status: 'processing',
        attempt: job.attempt + 1,
        token: action.token,
        worker_id: action.workerId,
        lease_until: action.leaseUntil,
        started_at: now,
        run_after: null,
      };
    case 'progress':
      return { progress: Math.max(job.progress, Math.min(MAX_RUNNING_PROGRESS, action.percent)) };
    case 'complete':
      return {
        ...FREED,
        status: 'completed',
        progress: 100,
        output: action.output,
        error_code: null,
        error_message: null,
        committed_attempt: job.attempt,
        completed_at: now,
      };
    case 'fail':
      if (job.cancel_requested === 1 || action.code === 'cancelled') return cancelled(now);
      return action.retryable && job.retry_count < job.max_retries
        ? tryAgain(job, now, policy)
        : ended(now, action.code, action.message);
    case 'release':
      return job.cancel_requested === 1
        ? cancelled(now)
        : { ...FREED, status: 'queued', started_at: null, run_after: null };
    case 'cancel':
      return job.status === 'queued' ? cancelled(now) : { cancel_requested: 1 };
    case 'expire':
      if (job.cancel_requested === 1) return cancelled(now);
      return job.retry_count < job.max_retries
        ? tryAgain(job, now, { ...policy, delayMs: 0 })
        : ended(now, 'worker_lost', WORKER_LOST_MESSAGE);
    case 'reject':
      return ended(now, action.code, action.message);
    case 'retry':
      return {
        status: 'queued',
        progress: 0,
        retry_count: 0,
        error_code: null,
        error_message: null,
        started_at: null,
        completed_at: null,
        run_after: null,
      };
  }
}
