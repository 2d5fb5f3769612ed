/**
 * bcrypt on libuv's thread pool. Fewer hashes run at once than there are cores: the event loop keeps one, and other
 * requests do not feel a rush of logins. Who waits, and for how long, is `turns.ts`.
 */
import { randomBytes } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { compare, hash } from '@node-rs/bcrypt';
import { type Turn, type TurnOptions, Turns } from './turns.js';

export interface PasswordHasherOptions extends Partial<TurnOptions> {
  /** log2 of the rounds; tests take less. */
  readonly cost?: number;
}

const DEFAULT_COST = 12;

/** The rounds that a hash was made with: `$2b$12$…`. */
const costOf = (hash: string): number => Number(/^\$2[abxy]\$(\d\d)\$/.exec(hash)?.[1] ?? Number.NaN);

export class PasswordHasher {
  readonly #cost: number;
  readonly #turns: Turns;
  /** What a password is compared with where there is no user, so that the answer takes as long. */
  readonly #decoy: Promise<string>;

  constructor({ cost = DEFAULT_COST, ...turns }: PasswordHasherOptions = {}) {
    this.#cost = cost;
    this.#turns = new Turns({ parallel: Math.max(1, availableParallelism() - 1), ...turns });
    this.#decoy = hash(randomBytes(16).toString('hex'), cost);
  }

  /** @throws HttpError 503 if too many wait, or for too long */
  hash(password: string, turn: Turn): Promise<string> {
    return this.#turns.take(turn, () => hash(password, this.#cost));
  }

  /**
   * @param hash undefined where there is no user; the answer is then false, at the same cost
   * @throws HttpError 503 if too many wait, or for too long
   */
  async verify(password: string, hash: string | undefined, turn: Turn): Promise<boolean> {
    const against = hash ?? (await this.#decoy);
    const same = await this.#turns.take(turn, () => compare(password, against));
    return same && hash !== undefined;
  }

  /** Whether a hash is weaker than one that would be made now. */
  isWeak(hash: string): boolean {
    return costOf(hash) < this.#cost;
  }
}
