/**
 * Slows down guessing, per account and address: some failures are free, then each one doubles a time in which further
 * attempts are refused unread. Success forgets all, and is never counted.
 *
 * ```
 * open --10 failures in a row--> blocked for 1 s --one attempt: failure--> blocked for 2 s … 15 min
 *   ^                               |
 *   +------- success, or an hour without failure
 * ```
 */
import { createHash } from 'node:crypto';
import { isIPv6 } from 'node:net';
import { HttpError } from '@cl-server/runtime';

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
  /** @returns milliseconds for which the pair is blocked now; 0 while failures are free */
  failed(): number;
  /** Nothing was learned: the server was busy. */
  abandoned(): void;
}

/** Somebody with one IPv6 address has all 2^64 of its network. */
function networkOf(address: string): string {
  if (!isIPv6(address)) return address;
  const v4 = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  if (v4) return v4;
  const [head = '', tail] = address.split('::');
  const left = head.split(':').filter(Boolean);
  const right = (tail ?? '').split(':').filter(Boolean);
  const zeros = tail === undefined ? 0 : Math.max(0, 8 - left.length - right.length);
  return [...left, ...Array<string>(zeros).fill('0'), ...right].slice(0, 4).join(':');
}

const keyOf = (account: string, address: string): string =>
  createHash('sha256')
    .update(`${networkOf(address)}\0${account}`)
    .digest('base64');

const refused = (ms: number): HttpError => {
  const seconds = Math.max(1, Math.ceil(ms / 1000));
  return new HttpError(429, `Too many failed attempts: try again in ${seconds} s`, {
    headers: { 'retry-after': String(seconds) },
  });
};

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
  begin(account: string, address: string): Attempt {
    const key = keyOf(account, address);
    const record = this.#recordOf(key);
    const left = record.blockedUntil - this.#now();
    if (left > 0) throw refused(left);
    const atOnce = record.failures >= FREE_FAILURES ? 1 : MAX_AT_ONCE;
    if (record.underWay >= atOnce) throw refused(FIRST_BLOCK);
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
