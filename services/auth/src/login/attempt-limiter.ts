/**
 * Slows down guessing at one account: some failures are free, then each one doubles a time in which further attempts are
 * refused unread. Success forgets all, and is never counted.
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
const FIRST_BLOCK = 1_000;
const LONGEST_BLOCK = 15 * 60_000;
const FORGET_AFTER = 60 * 60_000;
/** Attempts under way at once, so that a burst cannot guess much before its failures count. */
const MAX_AT_ONCE = 50;
const MAX_RECORDS = 10_000;

interface Attempts {
  failures: number;
  underWay: number;
  blockedUntil: number;
  lastFailure: number;
}

/** An attempt that was let in; exactly one of these must be called at its end. */
export interface Attempt {
  succeeded(): void;
  /** @returns milliseconds for which further attempts are refused; 0 while failures are free */
  failed(): number;
  /** Nothing was learned: the server was busy. */
  abandoned(): void;
}

const digest = (account: string): string => createHash('sha256').update(account).digest('base64');

export class AttemptLimiter {
  readonly #now: () => number;
  readonly #maxRecords: number;
  /** Least recently failed first. */
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
    const atOnce = record.failures >= FREE_FAILURES ? 1 : MAX_AT_ONCE;
    if (record.underWay >= atOnce) throw refusedFor(FIRST_BLOCK);
    record.underWay++;
    const end = (): void => {
      record.underWay--;
      if (record.underWay === 0 && record.failures === 0 && this.#records.get(key) === record)
        this.#records.delete(key);
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
    if (known && (known.underWay > 0 || this.#now() - known.lastFailure < FORGET_AFTER)) return known;
    const fresh = { failures: 0, underWay: 0, blockedUntil: 0, lastFailure: this.#now() };
    this.#keep(key, fresh);
    return fresh;
  }

  #countFailure(key: string, record: Attempts): number {
    const now = this.#now();
    record.failures++;
    record.lastFailure = now;
    this.#keep(key, record);
    if (record.failures < FREE_FAILURES) return 0;
    const block = Math.min(FIRST_BLOCK * 2 ** (record.failures - FREE_FAILURES), LONGEST_BLOCK);
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
