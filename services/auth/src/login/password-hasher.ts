/**
 * bcrypt on libuv's thread pool. A hash occupies a core for about a quarter of a second, so fewer run at once than there
 * are cores: the event loop keeps one, and other requests do not feel a rush of logins.
 */
import { randomBytes } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { HttpError } from '@cl-server/runtime';
import { compare, hash } from '@node-rs/bcrypt';

export interface PasswordHasherOptions {
  /** log2 of the rounds; tests take less. */
  readonly cost?: number;
  /** Hashes at once. */
  readonly parallel?: number;
  /** Hashes that may wait; beyond it the service says that it is busy. */
  readonly maxWaiting?: number;
}

const DEFAULT_COST = 12;

export class PasswordHasher {
  readonly #cost: number;
  readonly #parallel: number;
  readonly #maxWaiting: number;
  readonly #waiting: (() => void)[] = [];
  /** What a password is compared with where there is no user, so that the answer takes as long. */
  readonly #decoy: Promise<string>;
  #running = 0;

  constructor({ cost = DEFAULT_COST, parallel, maxWaiting = 500 }: PasswordHasherOptions = {}) {
    this.#cost = cost;
    this.#parallel = parallel ?? Math.max(1, availableParallelism() - 1);
    this.#maxWaiting = maxWaiting;
    this.#decoy = this.hash(randomBytes(16).toString('hex'));
  }

  /** @throws HttpError 503 if too many wait */
  hash(password: string): Promise<string> {
    return this.#inTurn(() => hash(password, this.#cost));
  }

  /**
   * @param hash undefined where there is no user; the answer is then false, at the same cost
   * @throws HttpError 503 if too many wait
   */
  async verify(password: string, hash: string | undefined): Promise<boolean> {
    const against = hash ?? (await this.#decoy);
    const same = await this.#inTurn(() => compare(password, against));
    return same && hash !== undefined;
  }

  async #inTurn<T>(work: () => Promise<T>): Promise<T> {
    if (this.#running >= this.#parallel) {
      if (this.#waiting.length >= this.#maxWaiting)
        throw new HttpError(503, 'Too many logins at once: try again shortly', { headers: { 'retry-after': '5' } });
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    } else this.#running++;
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next) next();
      else this.#running--;
    }
  }
}
