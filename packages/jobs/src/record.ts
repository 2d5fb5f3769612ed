import type { Job } from '@cl-server/contract';
import type { JobRow } from './tables.js';
import type { JobRecord } from './types.js';

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
