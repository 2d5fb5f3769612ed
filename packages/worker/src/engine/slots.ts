/**
 * How much may run at once: `concurrency` units (a job, or a batch of one task), each task within its own limit, and one
 * unit more that only interactive jobs may take, so that a person never waits behind bulk work.
 */
export interface TaskLimit {
  /** Units at once; undefined for as many as the worker takes. */
  readonly concurrency: number | undefined;
}

export interface Offer {
  /** Task types with the number of jobs that may start now. */
  readonly types: Readonly<Record<string, number>>;
  readonly limit: number;
  /** True where only interactive jobs may be taken. */
  readonly interactiveOnly: boolean;
}

export class Slots {
  readonly concurrency: number;
  readonly #limits: ReadonlyMap<string, TaskLimit>;
  readonly #running = new Map<string, number>();
  #total = 0;
  #onChange: () => void = () => undefined;

  constructor(concurrency: number, limits: ReadonlyMap<string, TaskLimit>) {
    this.concurrency = concurrency;
    this.#limits = limits;
  }

  /** Units running now. */
  get busy(): number {
    return this.#total;
  }

  /** Units that any job may take. */
  get free(): number {
    return Math.max(0, this.concurrency - this.#total);
  }

  /** What may be claimed now, of the given tasks; undefined where nothing may. */
  offer(tasks: readonly string[]): Offer | undefined {
    const interactiveOnly = this.free === 0;
    const limit = interactiveOnly ? this.concurrency + 1 - this.#total : this.free;
    if (limit <= 0) return undefined;
    const types: Record<string, number> = {};
    for (const task of tasks) {
      const room = (this.#limits.get(task)?.concurrency ?? limit) - (this.#running.get(task) ?? 0);
      const unlimited = this.#limits.get(task)?.concurrency === undefined;
      const count = unlimited ? limit : Math.min(limit, room);
      if (count > 0) types[task] = count;
    }
    return Object.keys(types).length === 0 ? undefined : { types, limit, interactiveOnly };
  }

  /** The one listener is called after each change. @returns a function that removes it */
  onChange(listener: () => void): () => void {
    this.#onChange = listener;
    return () => {
      this.#onChange = () => undefined;
    };
  }

  /** @returns a function that gives the slot back; false where it was given back before */
  take(task: string): () => boolean {
    this.#total++;
    this.#running.set(task, (this.#running.get(task) ?? 0) + 1);
    this.#onChange();
    let taken = true;
    return () => {
      if (!taken) return false;
      taken = false;
      this.#total--;
      this.#running.set(task, (this.#running.get(task) ?? 1) - 1);
      this.#onChange();
      return true;
    };
  }
}
