/** Rows as the database holds them. Times are milliseconds, booleans 0 or 1, JSON is text. */
import type { JobErrorCode, JobStatus } from '@cl-server/contract';
import type { ColumnType, Generated, Selectable } from 'kysely';

export interface JobsTable {
  /** Order of insertion. */
  seq: Generated<number>;
  job_id: ColumnType<string, string, never>;
  task_type: ColumnType<string, string, never>;
  status: JobStatus;
  priority: number;
  params: string;
  output: string | null;
  progress: number;
  error_code: JobErrorCode | null;
  error_message: string | null;
  created_at: ColumnType<number, number, never>;
  updated_at: number;
  started_at: number | null;
  completed_at: number | null;
  created_by: string | null;
  retry_count: number;
  max_retries: number;
  timeout_ms: number;
  attempt: number;
  committed_attempt: number | null;
  token: string | null;
  worker_id: string | null;
  lease_until: number | null;
  run_after: number | null;
  cancel_requested: number;
  /** 1 while a retained message shows the job's status. */
  shown: number;
  idempotency_key: string | null;
  fingerprint: string | null;
  input_sha256: string | null;
  /** Null: made before sums were kept, and not measured yet. */
  input_bytes: number | null;
  /** Null: none. */
  result_bytes: number | null;
}
export type JobRow = Selectable<JobsTable>;

/** Status changes on their way to the broker; a row is removed once the broker has it. */
export interface OutboxTable {
  seq: Generated<number>;
  job_id: string;
  /** A status word, or `deleted`: then only the retained status is cleared. */
  event: JobStatus | 'deleted';
  progress: number;
  created_at: number;
}
export type OutboxRow = Selectable<OutboxTable>;

/** How often a task's process died on a file. */
export interface CrashesTable {
  task_type: string;
  input_sha256: string;
  crashes: number;
  last_at: number;
}

/** The storage that each user uses; `''` stands for guests. Triggers maintain the sums of jobs. */
export interface UsageTable {
  user_id: string;
  input_bytes: Generated<number>;
  result_bytes: Generated<number>;
  /** The last value from the store. */
  entity_bytes: Generated<number>;
}
export type UsageRow = Selectable<UsageTable>;

/** Bytes on their way, such as an unfinished upload. */
export interface UsageClaimsTable {
  id: string;
  user_id: string;
  bytes: number;
  expires_at: number;
}

export interface ServiceConfigTable {
  key: string;
  value: string;
  updated_at: number;
  updated_by: string | null;
}

/** The last row that a worker wrote about itself. */
export interface WorkersTable {
  worker_id: string;
  /** JSON: tasks that it can run. */
  capabilities: string;
  /** JSON: by task, what keeps the worker from it. */
  unavailable: string;
  /** Null while the worker starts. */
  idle_count: number | null;
  seen_at: number;
}

export interface JobTables {
  jobs: JobsTable;
  job_outbox: OutboxTable;
  job_crashes: CrashesTable;
  job_usage: UsageTable;
  usage_claims: UsageClaimsTable;
  service_config: ServiceConfigTable;
  workers: WorkersTable;
}
