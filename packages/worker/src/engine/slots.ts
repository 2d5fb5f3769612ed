/** How much may run at once here: slots of the worker and of each task, and short jobs that share one slot. */

export interface TaskLimit {
  /** Maximum number of units at once; undefined for as many as the worker takes. */
  readonly concurrency: number | undefined;
}

export interface Offer {
  /** Task types with the number of jobs that may start now. */
  readonly types: Readonly<Record<string, number>>;
  readonly limit: number;
  /** Whether only interactive jobs may be taken. */
  readonly interactiveOnly: boolean;
}

/**
 * How much may run at once: `concurrency` units (a job, a batch, or a chunk of one task), each task within its own limit,
 * and one unit more that only interactive jobs may take, so that a person never waits behind bulk work.
 */
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

  /** Number of units that run now. */
  get busy(): number {
    return this.#total;
  }

  /** Number of units that any job may take. */
  get free(): number {
    return Math.max(0, this.concurrency - this.#total);
  }

  /** The claim that is allowed now for the given tasks; undefined if none is. */
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

  /** @returns a function that returns the slot; it answers false if the slot was returned before */
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

/** Maximum number of jobs that a slot takes together. */
const MAX_CHUNK_SIZE = 50;
/** Milliseconds of work that a slot may take at once: no other slot would have started those jobs much sooner. */
const CHUNK_MS = 300;
/** Weight that each later job leaves to a slow one. */
const DECAY = 0.9;

/**
 * How long jobs of a task take here, and so how many a slot may take at once. Claiming, handing out and committing cost
 * more than a job of a few milliseconds does; a chunk of such jobs in one claim shares that cost.
 */
export class TaskDurations {
  readonly #times = new Map<string, number>();

  /** Notes a job's duration. A slow job counts at once, quick ones only little by little. */
  add(task: string, milliseconds: number): void {
    const before = this.#times.get(task) ?? milliseconds;
    this.#times.set(task, Math.max(milliseconds, before * DECAY + milliseconds * (1 - DECAY)));
  }

  /** Number of jobs that one slot may take at once; one as long as nothing is known. */
  chunkSize(task: string): number {
    const time = this.#times.get(task);
    if (time === undefined) return 1;
    return Math.max(1, Math.min(MAX_CHUNK_SIZE, Math.floor(CHUNK_MS / Math.max(time, 0.1))));
  }
}
