/**
 * Hashes passwords with bcrypt on libuv's thread pool. Fewer hashes run at once than there are cores, so that the event loop
 * keeps one and a rush of logins does not delay other requests. `hash-queue.ts` decides about the order and the waits.
 */
import { randomBytes } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { compare, hash } from '@node-rs/bcrypt';
import { HashQueue, type HashQueueOptions, type HashRequester } from './hash-queue.js';

export interface PasswordHasherOptions extends Partial<HashQueueOptions> {
  /** The base-2 logarithm of the number of rounds; tests use fewer. */
  readonly cost?: number;
}

const DEFAULT_COST = 12;

/** The cost with which a hash was made: `$2b$12$…`. */
const costOf = (hash: string): number => Number(/^\$2[abxy]\$(\d\d)\$/.exec(hash)?.[1] ?? Number.NaN);

export class PasswordHasher {
  readonly #cost: number;
  readonly #queue: HashQueue;
  /** The hash with which a password is compared if the user does not exist, so that the answer takes as long. */
  readonly #decoy: Promise<string>;

  constructor({ cost = DEFAULT_COST, ...limits }: PasswordHasherOptions = {}) {
    this.#cost = cost;
    this.#queue = new HashQueue({ parallel: Math.max(1, availableParallelism() - 1), ...limits });
    this.#decoy = hash(randomBytes(16).toString('hex'), cost);
  }

  /** @throws HttpError 503 if too many requests wait, or one waits too long */
  hash(password: string, requester: HashRequester): Promise<string> {
    return this.#queue.run(requester, () => hash(password, this.#cost));
  }

  /**
   * @param hash undefined if the user does not exist; the result is then false, after the same time
   * @throws HttpError 503 if too many requests wait, or one waits too long
   */
  async verify(password: string, hash: string | undefined, requester: HashRequester): Promise<boolean> {
    const against = hash ?? (await this.#decoy);
    const same = await this.#queue.run(requester, () => compare(password, against));
    return same && hash !== undefined;
  }

  /** Whether a hash has a lower cost than a new one would have. */
  isWeak(hash: string): boolean {
    return costOf(hash) < this.#cost;
  }
}
