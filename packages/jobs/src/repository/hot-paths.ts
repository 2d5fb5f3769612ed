/**
 * The four writes that every job goes through, in batches, each with the dialect's fastest statements. Everything else
 * is Kysely, once for both (see the other files of this folder).
 */
import type { JobRow } from '../tables.js';
import type { Fence, OverBudget } from '../types.js';

/** A row to insert; what is not here starts at its default. */
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
  /** Of each type at most one `share`th of what is queued, rounded down; 1 for all. */
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

/** A job may be named in one batch by a late writer and by its rightful one: answers go by both parts of the fence. */
export const fenceKey = ({ job_id, token }: Fence): string => `${job_id} ${token}`;

/** Answers go by `fenceKey`. */
export interface HotPaths {
  /** Jobs in the order given; one transaction. */
  insert(items: readonly InsertItem[]): Promise<readonly InsertOutcome[]>;
  /** In the order in which they should start. */
  claim(request: ClaimArguments): Promise<readonly ClaimedRow[]>;
  /** The accepted ones. */
  complete(items: readonly CompleteItem[], now: number, shown: 0 | 1): Promise<ReadonlyMap<string, CompletedRow>>;
  /** The accepted ones with the progress that is stored now. Each fence at most once. */
  progress(items: readonly ProgressItem[], now: number): Promise<ReadonlyMap<string, number>>;
  /** Whether cancelling is asked for, of those that are still held. */
  renew(items: readonly Fence[], leaseUntil: number): Promise<ReadonlyMap<string, boolean>>;
}
