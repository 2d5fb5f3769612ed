/** Removes one kind of orphans regularly, so that remains of crashes disappear without a request of an admin. */

import type { Orphans } from '@cl-server/insight';
import type { Logger } from '@cl-server/service-kit';
import { removeAll } from './orphans.js';

export interface SweeperOptions<T> {
  readonly orphans: Orphans<T>;
  readonly logger: Logger;
  /** Milliseconds between two runs; default one hour. */
  readonly every?: number;
}

export class Sweeper<T> {
  readonly #options: SweeperOptions<T>;
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> | undefined;

  constructor(options: SweeperOptions<T>) {
    this.#options = options;
  }

  /** Starts the regular runs; the first one begins at once. */
  start(): void {
    const { every = 3_600_000 } = this.#options;
    const sweep = (): void => {
      this.#running ??= this.#sweep().finally(() => {
        this.#running = undefined;
      });
    };
    this.#timer = setInterval(sweep, every);
    this.#timer.unref();
    sweep();
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#running;
  }

  async #sweep(): Promise<void> {
    const { orphans, logger } = this.#options;
    try {
      const removed = await removeAll(orphans);
      if (removed > 0) logger.info({ removed }, 'removed jobs that nothing refers to');
    } catch (error) {
      logger.error({ err: error }, 'jobs that nothing refers to could not be removed; it is tried again later');
    }
  }
}
