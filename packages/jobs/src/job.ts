/** A job: its id, its record as servers see it, and its view as clients see it. */
import { randomUUID } from 'node:crypto';
import type { Job } from '@cl-server/contract';
import type { JobRow } from './tables.js';

/** A job's id: a random UUID, which nobody can guess. */
export const newJobId = (): string => randomUUID();

const ID = /^[A-Za-z0-9][A-Za-z0-9_-]{0,127}$/;

/** Whether a text can be a job's id, and so the name of its folder. */
export const isJobId = (text: string): boolean => ID.test(text);

/** A job as it is stored: what clients see (`jobView`) and what only servers see. */
export interface JobRecord extends Job {
  /** Claims so far; the running attempt's number while `processing`. Never reused, not even after a retry. */
  readonly attempt: number;
  /** The attempt whose files are the job's results; null until completed. */
  readonly committed_attempt: number | null;
  readonly timeout_ms: number;
  /** Whether a running job is to be stopped. */
  readonly cancel_requested: boolean;
  readonly lease_until: number | null;
  /** While queued: the job is not claimed before this moment. */
  readonly run_after: number | null;
  readonly worker_id: string | null;
  readonly input_sha256: string | null;
}

type Json = Record<string, unknown>;

export const recordOf = (row: JobRow): JobRecord => ({
  job_id: row.job_id,
  task_type: row.task_type,
  status: row.status,
  progress: row.progress,
  params: JSON.parse(row.params) as Json,
  task_output: row.output === null ? null : (JSON.parse(row.output) as Json | null),
  error_message: row.error_message,
  priority: row.priority,
  created_at: row.created_at,
  updated_at: row.updated_at,
  started_at: row.started_at,
  completed_at: row.completed_at,
  error_code: row.error_code,
  created_by: row.created_by,
  retry_count: row.retry_count,
  max_retries: row.max_retries,
  attempt: row.attempt,
  committed_attempt: row.committed_attempt,
  timeout_ms: row.timeout_ms,
  cancel_requested: row.cancel_requested === 1,
  lease_until: row.lease_until,
  run_after: row.run_after,
  worker_id: row.worker_id,
  input_sha256: row.input_sha256,
});

/** A job and the fencing token of one of its attempts; only the newest token is accepted. */
export interface Fence {
  readonly job_id: string;
  readonly token: string;
}

/** A job as clients see it: the keys of the contract, in its order, and nothing else. */
export const jobView = (record: JobRecord): Job => ({
  job_id: record.job_id,
  task_type: record.task_type,
  status: record.status,
  progress: record.progress,
  params: record.params,
  task_output: record.task_output,
  error_message: record.error_message,
  priority: record.priority,
  created_at: record.created_at,
  updated_at: record.updated_at,
  started_at: record.started_at,
  completed_at: record.completed_at,
  error_code: record.error_code,
  created_by: record.created_by,
  retry_count: record.retry_count,
  max_retries: record.max_retries,
});
