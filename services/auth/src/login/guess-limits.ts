/**
 * The number of wrong passwords that are tolerated, by origin. A client is a stranger if it has neither a valid token of the
 * account nor a recent successful login from the same address.
 *
 * | origin | limit |
 * |---|---|
 * | strangers at one account, from all addresses together | 10 failures, then waits that double up to 15 min |
 * | strangers from one address, at all accounts together | 60 failures, then one every 2 s |
 * | all strangers together | 300 failures, then two per second |
 * | a known address at its own account | 100 failures, then one every 30 s; the limits above do not apply |
 * | a user with a valid token at the own account | 10 failures, then waits that double up to 15 min; no other limit applies |
 *
 * Password guessing therefore locks out further guessing, but not the owner of the account. A login of the owner does not
 * give the guessers new attempts: only a stranger's success ends the lock of the account.
 */
import { Allowance } from './allowance.js';
import { type Attempt, AttemptLimiter } from './attempt-limiter.js';
import { refusedFor } from './refusal.js';

export interface Guesser {
  readonly username: string;
  /** The address of the client, or the network that counts as one address. */
  readonly network: string;
  /** `token`: the request has a valid token of this account. `address`: a recent login came from this address. */
  readonly knownBy: 'token' | 'address' | undefined;
}

export interface GuessLimitsOptions {
  readonly now: () => number;
  /** The number of accounts that are remembered; set by tests. */
  readonly maxRecords?: number;
}

const ALL = '';

export class GuessLimits {
  readonly #accounts: AttemptLimiter;
  readonly #tokens: AttemptLimiter;
  readonly #addresses: Allowance;
  readonly #strangers: Allowance;
  readonly #knownAddresses: Allowance;

  constructor({ now, maxRecords }: GuessLimitsOptions) {
    this.#accounts = new AttemptLimiter(now, maxRecords);
    this.#tokens = new AttemptLimiter(now, maxRecords);
    this.#addresses = new Allowance({ capacity: 60, refill: 2_000, now });
    this.#strangers = new Allowance({ capacity: 300, refill: 500, maxKeys: 1, now });
    this.#knownAddresses = new Allowance({ capacity: 100, refill: 30_000, now });
  }

  /** @throws HttpError 429 with `Retry-After` */
  begin({ username, network, knownBy }: Guesser): Attempt {
    if (knownBy === 'token') return this.#tokens.begin(username);
    if (knownBy === 'address') return this.#within([[this.#knownAddresses, `${network}\0${username}`]]);
    const account = this.#accounts.begin(username);
    try {
      const rest = this.#within([
        [this.#addresses, network],
        [this.#strangers, ALL],
      ]);
      const both = <E extends 'succeeded' | 'abandoned'>(end: E) => {
        account[end]();
        rest[end]();
      };
      return {
        succeeded: () => both('succeeded'),
        abandoned: () => both('abandoned'),
        failed: () => account.failed(),
      };
    } catch (error) {
      account.abandoned();
      throw error;
    }
  }

  /** An attempt holds one failure of each allowance from its start, so that a burst gets no more attempts than a sequence. */
  #within(limits: readonly (readonly [Allowance, string])[]): Attempt {
    const held: (() => void)[] = [];
    const release = (): void => {
      for (const giveBack of held) giveBack();
    };
    for (const [allowance, key] of limits) {
      const wait = allowance.take(key);
      if (wait > 0) {
        release();
        throw refusedFor(wait);
      }
      held.push(() => allowance.giveBack(key));
    }
    return { succeeded: release, abandoned: release, failed: () => 0 };
  }
}
