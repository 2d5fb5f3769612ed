/**
 * The four writes that every job goes through, in batches, each with the dialect's fastest statements. Everything
 * else is written once for both, with Kysely.
 */
import type { Fence } from '../job.js';
import type { JobRow } from '../tables.js';

/** A user's budget, and how much of it is used. */
export interface OverBudget {
  readonly used: number;
  readonly allowed: number;
}

/** A row to insert; the other columns get their defaults. */
export type InsertRow = Pick<
  JobRow,
  | 'job_id'
  | 'task_type'
  | 'status'
  | 'priority'
  | 'params'
  | 'error_code'
  | 'error_message'
  | 'created_at'
  | 'completed_at'
  | 'created_by'
  | 'max_retries'
  | 'timeout_ms'
  | 'idempotency_key'
  | 'fingerprint'
  | 'input_sha256'
  | 'input_bytes'
  | 'shown'
>;

export interface InsertItem {
  readonly row: InsertRow;
  /** Queued jobs that `created_by` may have, this one included. */
  readonly maxQueued: number | undefined;
  /** Bytes that `created_by` may keep, this input included; undefined: no limit. */
  readonly maxBytes: number | undefined;
}

export type InsertOutcome =
  | { readonly outcome: 'created'; readonly outboxSeq: number | null }
  | { readonly outcome: 'existing'; readonly row: JobRow }
  | ({ readonly outcome: 'over_budget' } & OverBudget)
  | { readonly outcome: 'limited'; readonly queued: number };

export interface ClaimArguments {
  readonly types: readonly { readonly type: string; readonly slots: number }[];
  readonly limit: number;
  /** 0 for all. */
  readonly minPriority: number;
  /** At most one `share`th of the queued jobs of each type is claimed, rounded down; 1 for all. */
  readonly share: number;
  readonly now: number;
  readonly leaseUntil: number;
  readonly workerId: string;
  /** Random part of the tokens of this claim. */
  readonly random: string;
}

export interface ClaimedRow {
  readonly row: JobRow;
  readonly outboxSeq: number | null;
}

export interface CompleteItem extends Fence {
  readonly output: string | null;
  readonly result_bytes: number;
}

export type CompletedRow = Pick<JobRow, 'job_id' | 'task_type' | 'created_at' | 'started_at'> & {
  readonly outboxSeq: number | null;
};

export interface ProgressItem extends Fence {
  readonly percent: number;
}

/** Key of an answer. One batch may name a job twice, by a late attempt and by the present one, so the token is part of it. */
export const fenceKey = ({ job_id, token }: Fence): string => `${job_id} ${token}`;

/** Answers are keyed by `fenceKey`. */
export interface JobDialect {
  /** Inserts jobs in the order given, in one transaction. */
  insert(items: readonly InsertItem[]): Promise<readonly InsertOutcome[]>;
  /** @returns jobs in the order in which they should start */
  claim(request: ClaimArguments): Promise<readonly ClaimedRow[]>;
  /** @returns the accepted ones */
  complete(items: readonly CompleteItem[], now: number, shown: 0 | 1): Promise<ReadonlyMap<string, CompletedRow>>;
  /** Takes each fence at most once. @returns the accepted ones with the progress that is stored now */
  progress(items: readonly ProgressItem[], now: number): Promise<ReadonlyMap<string, number>>;
  /** @returns for each that is still held, whether it is to be cancelled */
  renew(items: readonly Fence[], leaseUntil: number): Promise<ReadonlyMap<string, boolean>>;
}
