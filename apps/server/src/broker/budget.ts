/**
 * How much work strangers and users may give to the broker. Its one event loop serves everybody, so what a packet costs
 * is paid from budgets that refill with time: one per connection, one per address, and two that all connections share.
 * A budget may be overdrawn by one read; then nothing is read before it is filled up again.
 *
 * The two shared ones keep the door open: a connection that has asked for little so far pays from one that busy
 * connections cannot empty.
 */

export interface Rate {
  /** Units per second. */
  readonly perSecond: number;
  /** Units that may be used at once. */
  readonly burst: number;
}

export class Budget {
  readonly #rate: Rate;
  readonly #now: () => number;
  #units: number;
  #at: number;

  /** @param now milliseconds that never go back */
  constructor(rate: Rate, now: () => number = () => performance.now()) {
    this.#rate = rate;
    this.#now = now;
    this.#units = rate.burst;
    this.#at = now();
  }

  /** Units that are left; negative while it is overdrawn. */
  get left(): number {
    const now = this.#now();
    this.#units = Math.min(this.#rate.burst, this.#units + ((now - this.#at) / 1000) * this.#rate.perSecond);
    this.#at = now;
    return this.#units;
  }

  spend(units: number): void {
    this.#units = this.left - units;
  }

  /** Milliseconds until it may be used; 0: now. */
  get wait(): number {
    const { left } = this;
    return left > 0 ? 0 : Math.ceil((-left / this.#rate.perSecond) * 1000) + 1;
  }

  /** Nothing was used for so long that it can be forgotten. */
  get isFull(): boolean {
    return this.left >= this.#rate.burst;
  }
}

/** Units of a connection up to which it counts as one that asks for little: a login and some subscriptions. */
const LIGHT = 2_048;

export interface Rates {
  readonly stranger: Rate;
  readonly user: Rate;
  readonly address: Rate;
  readonly light: Rate;
  readonly busy: Rate;
}

/**
 * A unit stands for roughly a microsecond of the broker's time; see `unitsOf`. The two shared rates leave most of each
 * second to the services, whatever strangers send; test/hostile/broker.test.ts measures what they notice of it.
 */
export const RATES: Rates = {
  stranger: { perSecond: 16_384, burst: 65_536 },
  user: { perSecond: 65_536, burst: 524_288 },
  address: { perSecond: 65_536, burst: 524_288 },
  light: { perSecond: 200_000, burst: 100_000 },
  busy: { perSecond: 150_000, burst: 100_000 },
};

/** Bytes that reach the parser at once: so much is worked off in one turn of the event loop. */
const PORTION = 1_024;
const FIRST_PORTIONS = 256;

/** What one connection spends. */
export class Spending {
  readonly #shared: Budgets;
  readonly #address: Budget | undefined;
  #own: Budget;
  #used = 0;

  constructor(shared: Budgets, address: Budget | undefined) {
    this.#shared = shared;
    this.#address = address;
    this.#own = new Budget(shared.rates.stranger);
  }

  /** From now on it is one of a user. */
  raise(): void {
    this.#own = new Budget(this.#shared.rates.user);
  }

  get #isLight(): boolean {
    return this.#used < LIGHT;
  }

  get #common(): Budget {
    return this.#isLight ? this.#shared.light : this.#shared.busy;
  }

  /** Bytes that may be read at once. */
  get portion(): number {
    return this.#isLight ? FIRST_PORTIONS : PORTION;
  }

  spend(units: number): void {
    this.#own.spend(units);
    this.#address?.spend(units);
    this.#common.spend(units);
    this.#used += units;
  }

  /** Milliseconds until anything may be read; 0: now. */
  get wait(): number {
    return Math.max(this.#own.wait, this.#address?.wait ?? 0, this.#common.wait);
  }
}

export class Budgets {
  readonly rates: Rates;
  readonly light: Budget;
  readonly busy: Budget;
  readonly #addresses = new Map<string, Budget>();

  constructor(rates: Rates = RATES) {
    this.rates = rates;
    this.light = new Budget(rates.light);
    this.busy = new Budget(rates.busy);
  }

  /** @param address undefined: of this machine, where one address says nothing about who it is */
  of(address: string | undefined): Spending {
    if (address === undefined) return new Spending(this, undefined);
    let budget = this.#addresses.get(address);
    if (!budget) {
      budget = new Budget(this.rates.address);
      this.#addresses.set(address, budget);
    }
    return new Spending(this, budget);
  }

  /** Forgets addresses that have been quiet. */
  sweep(): void {
    for (const [address, budget] of this.#addresses) if (budget.isFull) this.#addresses.delete(address);
  }
}
