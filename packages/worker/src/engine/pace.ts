/**
 * How long jobs of a task take here, and so how many a slot may take at once. Claiming, handing out and committing cost
 * more than a job of a few milliseconds does; a handful of those in one claim share that cost.
 */
const MOST = 50;
/** Milliseconds of work that a slot may take at once: nobody else would have started those jobs much sooner. */
const BUDGET = 300;
/** What a slow job leaves of its weight to each of those after it. */
const DECAY = 0.9;

export class Pace {
  readonly #times = new Map<string, number>();

  /** A job of the task took so many milliseconds. One slow job counts at once, quick ones only little by little. */
  took(task: string, milliseconds: number): void {
    const before = this.#times.get(task) ?? milliseconds;
    this.#times.set(task, Math.max(milliseconds, before * DECAY + milliseconds * (1 - DECAY)));
  }

  /** Jobs that one slot may take at once; one as long as nothing is known. */
  together(task: string): number {
    const time = this.#times.get(task);
    if (time === undefined) return 1;
    return Math.max(1, Math.min(MOST, Math.floor(BUDGET / Math.max(time, 0.1))));
  }
}
