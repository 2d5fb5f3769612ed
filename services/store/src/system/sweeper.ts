/** Removes remains of crashes regularly, so that they disappear without a request of an admin: orphans of one kind, and drafts. */

import type { BlobStore } from '@cl-server/blobs';
import type { Orphans } from '@cl-server/insight';
import type { Logger } from '@cl-server/service-kit';
import { removeAll } from './orphans.js';

export interface SweeperOptions<T> {
  readonly orphans: Orphans<T>;
  /** Blob stores whose drafts are removed. */
  readonly blobs: readonly Pick<BlobStore, 'sweep'>[];
  readonly logger: Logger;
  /** Milliseconds between two runs; default one hour. */
  readonly every?: number;
}

/** A draft that nobody has written to for this long belongs to a process that died. */
const DRAFT_AGE_MS = 3_600_000;

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
    const { orphans, blobs, logger } = this.#options;
    try {
      const removed = await removeAll(orphans);
      if (removed > 0) logger.info({ removed }, 'removed jobs that nothing refers to');
    } catch (error) {
      logger.error({ err: error }, 'jobs that nothing refers to could not be removed; it is tried again later');
    }
    try {
      for (const store of blobs) await store.sweep(Date.now() - DRAFT_AGE_MS);
    } catch (error) {
      logger.error({ err: error }, 'unfinished files could not be removed; it is tried again later');
    }
  }
}
