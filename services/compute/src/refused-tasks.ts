/**
 * Jobs that nobody can run fail at once, with what is missing: as long as every live worker says that it lacks a task's
 * model or tool, waiting would only hide it. Looks when workers speak up and when a job is queued.
 */
import type { LiveWorkers } from '@cl-server/job-routes';
import type { JobEvents, JobRepository } from '@cl-server/jobs';
import type { Logger } from '@cl-server/service-kit';

export interface RefusedTasksOptions {
  readonly workers: LiveWorkers;
  readonly repository: JobRepository;
  readonly events: JobEvents;
  readonly logger: Logger;
}

export class RefusedTasks {
  readonly #options: RefusedTasksOptions;
  readonly #stops: (() => void)[] = [];
  #pending: Promise<void> | undefined;
  #again = false;

  constructor(options: RefusedTasksOptions) {
    this.#options = options;
  }

  start(): this {
    const { workers, events } = this.#options;
    this.#stops.push(
      workers.onChange(() => this.look()),
      events.subscribe(({ event_type }) => {
        if (event_type === 'queued') this.look();
      }),
    );
    return this;
  }

  /** One pass at a time; a wish during one leads to one more. */
  look(): void {
    if (this.#pending) {
      this.#again = true;
      return;
    }
    this.#pending = this.#failWaiting().finally(() => {
      this.#pending = undefined;
      if (this.#again) {
        this.#again = false;
        this.look();
      }
    });
  }

  async #failWaiting(): Promise<void> {
    const { workers, repository, logger } = this.#options;
    for (const [task, { code, reason }] of workers.refusedByAll())
      try {
        const failed = await repository.failQueued(task, code, reason);
        if (failed > 0) logger.warn({ task, code, failed }, 'jobs failed: no worker can run their task');
      } catch (error) {
        logger.error({ err: error, task }, 'jobs that nobody can run were left waiting');
      }
  }

  async close(): Promise<void> {
    for (const stop of this.#stops) stop();
    this.#again = false;
    await this.#pending;
  }
}
