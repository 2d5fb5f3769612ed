/**
 * Tries the set-ups of unavailable tasks again: now and then, and at once where something came into the models folder or
 * `models use` wrote its choice there.
 */
import fs from 'node:fs/promises';
import type { Availability } from './availability.js';

export interface RecheckOptions {
  readonly availability: Availability;
  /** @param changed whether something changed, so that it may succeed now */
  readonly retry: (task: string, changed: boolean) => void;
  readonly modelsDir: string;
  /** Milliseconds between two tries where nothing changed. */
  readonly everyMs: number;
}

const LOOK_EVERY = 1_000;

export class Recheck {
  readonly #options: RecheckOptions;
  readonly #timer: NodeJS.Timeout;
  #triedAt = performance.now();
  #seen: number | undefined;

  constructor(options: RecheckOptions) {
    this.#options = options;
    this.#timer = setInterval(() => void this.#look(), Math.min(LOOK_EVERY, options.everyMs));
  }

  close(): void {
    clearInterval(this.#timer);
  }

  async #look(): Promise<void> {
    const { availability, modelsDir, retry, everyMs } = this.#options;
    const before = this.#seen;
    this.#seen = await fs.stat(modelsDir).then(
      ({ mtimeMs }) => mtimeMs,
      () => 0, // not there yet
    );
    const hasChanged = before !== undefined && before !== this.#seen;
    if (!hasChanged && performance.now() - this.#triedAt < everyMs) return;
    this.#triedAt = performance.now();
    for (const task of availability.unavailable.keys()) retry(task, hasChanged);
  }
}
