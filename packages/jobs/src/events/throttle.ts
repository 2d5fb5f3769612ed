/** Progress of one job is published so often at most. */
const INTERVAL_MS = 100;

interface Slot {
  published: number;
  pending: number | undefined;
  timer: NodeJS.Timeout;
}

/**
 * At most ten progress events a second for each job: the first at once, of the following the newest. What was published
 * never falls.
 */
export class ProgressThrottle {
  readonly #publish: (jobId: string, progress: number) => void;
  readonly #slots = new Map<string, Slot>();

  constructor(publish: (jobId: string, progress: number) => void) {
    this.#publish = publish;
  }

  report(jobId: string, progress: number): void {
    const slot = this.#slots.get(jobId);
    if (!slot) {
      this.#slots.set(jobId, { published: progress, pending: undefined, timer: this.#later(jobId) });
      this.#publish(jobId, progress);
    } else if (progress > slot.published) slot.pending = progress;
  }

  /** The job is in another state now: nothing of the old one may follow. */
  forget(jobId: string): void {
    clearTimeout(this.#slots.get(jobId)?.timer);
    this.#slots.delete(jobId);
  }

  close(): void {
    for (const jobId of [...this.#slots.keys()]) this.forget(jobId);
  }

  #later(jobId: string): NodeJS.Timeout {
    return setTimeout(() => this.#next(jobId), INTERVAL_MS).unref();
  }

  #next(jobId: string): void {
    const slot = this.#slots.get(jobId);
    if (slot?.pending === undefined) return void this.#slots.delete(jobId);
    this.#slots.set(jobId, { published: slot.pending, pending: undefined, timer: this.#later(jobId) });
    this.#publish(jobId, slot.pending);
  }
}
