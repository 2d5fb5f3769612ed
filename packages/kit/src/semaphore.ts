export interface SemaphoreOptions {
  /** Calls that run at once. */
  readonly width: number;
  /** Calls that may wait; one more is refused. Unlimited if absent. */
  readonly maxWaiting?: number;
  /** Makes the error for a call that is refused. */
  readonly refuse?: () => Error;
}

/** Limits how many calls run at once; the others wait in the order of their arrival. */
export class Semaphore {
  readonly #options: SemaphoreOptions;
  #running = 0;
  readonly #waiting: (() => void)[] = [];

  constructor(options: SemaphoreOptions) {
    this.#options = options;
  }

  async run<T>(work: () => Promise<T>): Promise<T> {
    const { width, maxWaiting = Number.POSITIVE_INFINITY, refuse } = this.#options;
    if (this.#running >= width) {
      if (this.#waiting.length >= maxWaiting) throw refuse?.() ?? new Error('too many calls are waiting');
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    } else this.#running++;
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      // The next in line takes over this place, so the count stays the same.
      if (next) next();
      else this.#running--;
    }
  }
}
