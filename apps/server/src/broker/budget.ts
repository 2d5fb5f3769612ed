/**
 * Limits the work that strangers and users may cause. One event loop serves everybody, so the cost of each packet is paid from
 * budgets that refill over time: one per connection, one per address, and three that all connections share. One read may
 * overdraw a budget; then nothing is read until it is positive again.
 *
 * The shared budgets keep the broker reachable: newcomers pay from one, connections that have used little so far from
 * another, and busy connections can exhaust neither.
 */

export interface Rate {
  /** Refill in units per second. */
  readonly perSecond: number;
  /** The largest number of units that may be used at once. */
  readonly burst: number;
}

export class Budget {
  readonly #rate: Rate;
  readonly #now: () => number;
  #units: number;
  #at: number;

  /** @param now a monotonic clock in milliseconds */
  constructor(rate: Rate, now: () => number = () => performance.now()) {
    this.#rate = rate;
    this.#now = now;
    this.#units = rate.burst;
    this.#at = now();
  }

  /** The remaining units; negative while the budget is overdrawn. */
  get left(): number {
    const now = this.#now();
    this.#units = Math.min(this.#rate.burst, this.#units + ((now - this.#at) / 1000) * this.#rate.perSecond);
    this.#at = now;
    return this.#units;
  }

  spend(units: number): void {
    this.#units = this.left - units;
  }

  /** Milliseconds until the budget may be used again; 0: now. */
  get wait(): number {
    const { left } = this;
    return left > 0 ? 0 : Math.ceil((-left / this.#rate.perSecond) * 1000) + 1;
  }

  /** Whether the budget was unused for so long that it can be forgotten. */
  get isFull(): boolean {
    return this.left >= this.#rate.burst;
  }
}

/** Up to this number of units a connection counts as a light one: a login and some subscriptions. */
const LIGHT_USE_UNITS = 2_048;

export interface Rates {
  readonly stranger: Rate;
  readonly user: Rate;
  readonly address: Rate;
  readonly newcomers: Rate;
  readonly light: Rate;
  readonly busy: Rate;
}

/**
 * A unit stands for roughly a microsecond of the broker's time; see `unitsOf`. The three shared rates leave most of each second
 * to the services, whatever strangers send; test/hostile/broker.test.ts measures the effect on the services.
 */
export const RATES: Rates = {
  stranger: { perSecond: 16_384, burst: 65_536 },
  user: { perSecond: 65_536, burst: 524_288 },
  address: { perSecond: 65_536, burst: 524_288 },
  newcomers: { perSecond: 125_000, burst: 65_536 },
  light: { perSecond: 75_000, burst: 65_536 },
  busy: { perSecond: 150_000, burst: 100_000 },
};

/** The cost of a newcomer: its login, and the objects that each connection needs. */
const NEWCOMER_UNITS = 512;

/** The most that a connection costs which is closed for breaking a limit. */
const MAX_PENALTY_UNITS = 4_096;

/** The number of bytes that reach the parser at once, so that one turn of the event loop stays short. */
const PORTION_BYTES = 1_024;
const FIRST_PORTION_BYTES = 256;

/** The budgets from which one connection pays. */
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

  /** Switches to the rates of a user. */
  raise(): void {
    this.#own = new Budget(this.#shared.rates.user);
  }

  /** Called when a newcomer is read for the first time. */
  enter(): void {
    this.#own.spend(NEWCOMER_UNITS);
    this.#address?.spend(NEWCOMER_UNITS);
    this.#shared.newcomers.spend(NEWCOMER_UNITS);
    this.#used += NEWCOMER_UNITS;
  }

  /** The connection is closed because it broke a limit. What it cost delays the next newcomers, but not for long. */
  penalise(units: number): void {
    const penalty = Math.min(MAX_PENALTY_UNITS, units);
    this.#address?.spend(penalty);
    const { newcomers } = this.#shared;
    newcomers.spend(Math.min(penalty, Math.max(0, newcomers.left + this.#shared.rates.newcomers.burst)));
  }

  get #isLight(): boolean {
    return this.#used < LIGHT_USE_UNITS;
  }

  get #common(): Budget {
    return this.#isLight ? this.#shared.light : this.#shared.busy;
  }

  /** The number of bytes that may be read at once. */
  get portion(): number {
    return this.#isLight ? FIRST_PORTION_BYTES : PORTION_BYTES;
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
  readonly newcomers: Budget;
  readonly light: Budget;
  readonly busy: Budget;
  readonly #addresses = new Map<string, Budget>();

  constructor(rates: Rates = RATES) {
    this.rates = rates;
    this.newcomers = new Budget(rates.newcomers);
    this.light = new Budget(rates.light);
    this.busy = new Budget(rates.busy);
  }

  /** @param address undefined for this machine, where an address does not identify a client */
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
