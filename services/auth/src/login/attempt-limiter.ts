/**
 * Slows down password guessing at one account. The first failures are free; each further failure doubles the time during
 * which attempts are refused without a check of the password. A success resets the count and is never counted itself.
 *
 * ```
 * open --10 failures in a row--> blocked for 1 s --one attempt: failure--> blocked for 2 s … 15 min
 *   ^                               |
 *   +------- success, or an hour without failure
 * ```
 */
import { createHash } from 'node:crypto';
import { refusedFor } from './refusal.js';

const FREE_FAILURES = 10;
const FIRST_BLOCK_MS = 1_000;
const MAX_BLOCK_MS = 15 * 60_000;
const FORGET_AFTER_MS = 60 * 60_000;
/** Attempts that may run at once, so that a burst cannot try many passwords before its failures count. */
const MAX_CONCURRENT = 50;
const MAX_RECORDS = 10_000;

interface Attempts {
  failures: number;
  running: number;
  blockedUntil: number;
  lastFailure: number;
}

/** An attempt that was admitted. The caller must call exactly one of these methods at its end. */
export interface Attempt {
  succeeded(): void;
  /** @returns milliseconds during which further attempts are refused; 0 while failures are free */
  failed(): number;
  /** The attempt ended without a result because the server was busy. */
  abandoned(): void;
}

const digest = (account: string): string => createHash('sha256').update(account).digest('base64');

export class AttemptLimiter {
  readonly #now: () => number;
  readonly #maxRecords: number;
  /** Ordered by last failure, least recent first. */
  readonly #records = new Map<string, Attempts>();

  constructor(now: () => number = Date.now, maxRecords = MAX_RECORDS) {
    this.#now = now;
    this.#maxRecords = maxRecords;
  }

  /** @throws HttpError 429 with `Retry-After` */
  begin(account: string): Attempt {
    const key = digest(account);
    const record = this.#recordOf(key);
    const left = record.blockedUntil - this.#now();
    if (left > 0) throw refusedFor(left);
    const atOnce = record.failures >= FREE_FAILURES ? 1 : MAX_CONCURRENT;
    if (record.running >= atOnce) throw refusedFor(FIRST_BLOCK_MS);
    record.running++;
    const end = (): void => {
      record.running--;
      if (record.running === 0 && record.failures === 0 && this.#records.get(key) === record) this.#records.delete(key);
    };
    return {
      succeeded: () => {
        record.failures = 0;
        record.blockedUntil = 0;
        end();
      },
      failed: () => {
        const block = this.#countFailure(key, record);
        end();
        return block;
      },
      abandoned: end,
    };
  }

  #recordOf(key: string): Attempts {
    const known = this.#records.get(key);
    if (known && (known.running > 0 || this.#now() - known.lastFailure < FORGET_AFTER_MS)) return known;
    const fresh = { failures: 0, running: 0, blockedUntil: 0, lastFailure: this.#now() };
    this.#keep(key, fresh);
    return fresh;
  }

  #countFailure(key: string, record: Attempts): number {
    const now = this.#now();
    record.failures++;
    record.lastFailure = now;
    this.#keep(key, record);
    if (record.failures < FREE_FAILURES) return 0;
    const block = Math.min(FIRST_BLOCK_MS * 2 ** (record.failures - FREE_FAILURES), MAX_BLOCK_MS);
    record.blockedUntil = now + block;
    return block;
  }

  #keep(key: string, record: Attempts): void {
    this.#records.delete(key);
    this.#records.set(key, record);
    if (this.#records.size <= this.#maxRecords) return;
    const oldest = this.#records.keys().next().value;
    if (oldest !== undefined) this.#records.delete(oldest);
  }
}
