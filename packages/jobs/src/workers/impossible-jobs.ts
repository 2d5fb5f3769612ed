/**
 * Jobs that no worker can run are failed with what is missing, because waiting would only hide it. There is one rule:
 * a task is impossible if some live worker lacks what it needs (a model or a tool, which only a person can provide),
 * and no live worker can run it or may still turn out to.
 *
 * The register decides. Announcements over MQTT, and jobs that are queued, only say when to look; without them the
 * reconciler looks every second.
 */
import { isLack, type JobEvent, type Lack } from '@cl-server/contract';
import type { Broadcaster, Logger } from '@cl-server/service-kit';
import type { JobRepository } from '../queue/repository.js';
import type { RegisteredWorker, WorkerRegister } from './register.js';

export interface Impossible {
  readonly code: Lack;
  readonly reason: string;
}

/** Tasks that the rule above calls impossible, each with what is missing. */
export function impossibleTasks(workers: readonly RegisteredWorker[]): ReadonlyMap<string, Impossible> {
  const possible = new Set(workers.flatMap(({ capabilities }) => capabilities));
  const lacks = new Map<string, Impossible>();
  for (const { unavailable } of workers)
    for (const [task, { code, reason }] of Object.entries(unavailable)) {
      if (!isLack(code)) possible.add(task);
      // A missing model is what a person can provide most easily, so its reason is preferred.
      else if (!lacks.has(task) || code === 'model_missing') lacks.set(task, { code, reason });
    }
  for (const task of possible) lacks.delete(task);
  return lacks;
}

export interface ImpossibleJobsOptions {
  readonly register: Pick<WorkerRegister, 'live' | 'withdraw'>;
  readonly repository: Pick<JobRepository, 'failQueued'>;
  readonly subscribe: (listener: (event: JobEvent) => void) => () => void;
  readonly broadcaster: Broadcaster;
  /** Prefix of the topics on which workers announce themselves. */
  readonly workersTopic: string;
  readonly logger: Logger;
}

/** Workers whose last will may wait to be handled; those beyond are noticed by their silence. */
const MAX_LOST = 1_000;

export class ImpossibleJobs {
  readonly #options: ImpossibleJobsOptions;
  readonly #lost = new Set<string>();
  #anyIsImpossible = false;
  #look: Promise<number> | undefined;
  #isDue = false;

  constructor(options: ImpossibleJobsOptions) {
    this.#options = options;
  }

  /** Looks whenever something is heard. @returns a function that ends it */
  async listen(): Promise<() => Promise<void>> {
    const { broadcaster, workersTopic, subscribe } = this.#options;
    const look = (): void => void this.failAll().catch((error: unknown) => this.#warn(error));
    const stopWorkers = await broadcaster.subscribe(`${workersTopic}/+`, (topic, payload) => {
      // An empty announcement is a worker's farewell, or its last will.
      if (payload.toString().trim() === '' && this.#lost.size < MAX_LOST)
        this.#lost.add(topic.slice(workersTopic.length + 1));
      look();
    });
    const stopJobs = subscribe(({ event_type }) => {
      if (event_type === 'queued' && this.#anyIsImpossible) look();
    });
    return async () => {
      stopJobs();
      await stopWorkers();
      this.#isDue = false;
      await this.#look?.catch(() => undefined);
    };
  }

  /** Fails what is impossible now. One look runs at a time; a call during one leads to one more. @returns how many */
  failAll(): Promise<number> {
    this.#isDue = true;
    this.#look ??= this.#lookWhileDue();
    return this.#look;
  }

  async #lookWhileDue(): Promise<number> {
    let failed = 0;
    try {
      while (this.#isDue) {
        this.#isDue = false;
        failed += await this.#failOnce();
      }
      return failed;
    } finally {
      this.#look = undefined; // at once: a call that came between the last check and this would be lost
    }
  }

  async #failOnce(): Promise<number> {
    const { register, repository, logger } = this.#options;
    const lost = [...this.#lost];
    await register.withdraw(...lost);
    for (const id of lost) this.#lost.delete(id);
    const impossible = impossibleTasks(await register.live());
    this.#anyIsImpossible = impossible.size > 0;
    let total = 0;
    for (const [task, { code, reason }] of impossible) {
      const failed = await repository.failQueued(task, code, reason);
      // A missing model is in the log since the worker's start, and each search by text would repeat it.
      const level = code === 'model_missing' ? 'debug' : 'warn';
      if (failed > 0)
        logger[level]({ task, code, failed }, 'queued jobs have failed, because no worker can run their task');
      total += failed;
    }
    return total;
  }

  #warn(error: unknown): void {
    this.#options.logger.warn({ err: error }, 'could not check which jobs no worker can run; trying again soon');
  }
}
