/**
 * Without a broker no service hears what workers lack, so the worker itself fails the queued jobs of a task whose model
 * or tool is missing or of no use, unless another worker can run it: at once, for good, saying what is missing. With a broker the
 * compute service does, which hears all workers.
 */
import { isLack } from '@cl-server/contract';
import type { JobRepository, WorkerRegister } from '@cl-server/jobs';
import type { Logger } from '@cl-server/service-kit';
import type { Availability } from './availability.js';

export interface UnrunnableOptions {
  readonly repository: Pick<JobRepository, 'failQueued'>;
  readonly register: Pick<WorkerRegister, 'live'>;
  /** Milliseconds without a beat after which another worker counts as gone. */
  readonly maxAge: number;
  readonly availability: Availability;
  readonly everyMs: number;
  readonly logger: Logger;
}

export class Unrunnable {
  readonly #options: UnrunnableOptions;
  readonly #timer: NodeJS.Timeout;
  #sweeping: Promise<void> = Promise.resolve();

  constructor(options: UnrunnableOptions) {
    this.#options = options;
    this.#timer = setInterval(() => {
      this.#sweeping = this.#sweeping.then(() => this.#sweep());
    }, options.everyMs);
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#sweeping;
  }

  async #sweep(): Promise<void> {
    const { repository, register, maxAge, availability, logger } = this.#options;
    for (const [task, { code, reason }] of availability.unavailable) {
      if (!isLack(code)) continue; // not known to be for good
      try {
        const others = await register.live(maxAge);
        if (others.some(({ capabilities }) => capabilities.includes(task))) continue;
        const failed = await repository.failQueued(task, code, reason);
        if (failed > 0) logger.warn({ task, failed, code }, 'jobs failed, for their task cannot be run');
      } catch (error) {
        logger.warn({ err: error, task }, 'jobs that nobody can run are left waiting');
      }
    }
  }
}
