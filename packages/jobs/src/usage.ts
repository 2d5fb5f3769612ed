/** What users keep, as the users of the engine see it. */
import type { Transaction } from 'kysely';
import type { JobTables } from './tables.js';

export interface UsageClaim {
  readonly id: string;
  /** Null: guests. */
  readonly user: string | null;
  readonly bytes: number;
  readonly expiresAt: number;
}
/** Begins the names of claims for streams; all others are of unfinished uploads and of files that become entities. */
export const STREAM_CLAIMS = 'stream:';

export type ClaimedSpace = { readonly ok: true } | { readonly ok: false; readonly used: number };

export interface UserUsage {
  /** Null: guests. */
  readonly user: string | null;
  readonly input_bytes: number;
  readonly result_bytes: number;
  readonly upload_bytes: number;
  readonly stream_bytes: number;
}

/** What users keep over jobs, entities, uploads and streams. */
export interface Usage {
  /** Takes bytes that are about to arrive into the user's sum; a claim of the same id is replaced. Of 0 bytes it always holds. */
  claim(claim: UsageClaim, maxBytes: number): Promise<ClaimedSpace>;
  /**
   * Stores what the user's entities take, and ends the claim for what has become one.
   * @param entityBytes reads the sum; runs in the transaction, which is the entities' own where they share one SQLite file
   */
  settle(
    user: string | null,
    entityBytes: (tx: Transaction<JobTables>) => Promise<number>,
    claim?: string,
  ): Promise<void>;
  release(claim: string): Promise<void>;
  /** Names of claims that begin with `prefix`. */
  claims(prefix: string): Promise<readonly string[]>;
  list(): Promise<readonly UserUsage[]>;
}
