/** Counts failures with a token bucket per key, in bounded memory: used-up failures are refilled one by one. */

export interface AllowanceOptions {
  /** The number of failures that are allowed in a row. */
  readonly capacity: number;
  /** Milliseconds after which one failure is allowed again. */
  readonly refill: number;
  readonly maxKeys?: number;
  readonly now: () => number;
}

interface Bucket {
  left: number;
  at: number;
}

const MAX_KEYS = 10_000;

export class Allowance {
  readonly #options: AllowanceOptions;
  /** Ordered by last use, least recent first. */
  readonly #buckets = new Map<string, Bucket>();

  constructor(options: AllowanceOptions) {
    this.#options = options;
  }

  /** Uses up one failure. @returns 0, or the milliseconds to wait if none is left */
  take(key: string): number {
    const { capacity, refill, maxKeys = MAX_KEYS, now } = this.#options;
    const bucket = this.#buckets.get(key) ?? { left: capacity, at: now() };
    // The system clock may have been set back.
    bucket.at = Math.min(bucket.at, now());
    const gained = Math.floor((now() - bucket.at) / refill);
    bucket.left = Math.min(capacity, bucket.left + gained);
    bucket.at = bucket.left === capacity ? now() : bucket.at + gained * refill;
    this.#buckets.delete(key);
    this.#buckets.set(key, bucket);
    const oldest = this.#buckets.size > maxKeys ? this.#buckets.keys().next().value : undefined;
    if (oldest !== undefined) this.#buckets.delete(oldest);
    if (bucket.left < 1) return Math.max(1, bucket.at + refill - now());
    bucket.left--;
    return 0;
  }

  /** Returns a failure that was taken but did not happen. */
  giveBack(key: string): void {
    const bucket = this.#buckets.get(key);
    if (bucket) bucket.left = Math.min(this.#options.capacity, bucket.left + 1);
  }
}
