/**
 * The loop of the insight worker. A turn plans missing insights, collects the results of ended jobs, retries failed ones,
 * dispatches new jobs, derives what follows from results (persons, near duplicates), switches models, and publishes states.
 * Everything kept between turns can be read again from the database; events only make the next turn come sooner. A lease
 * makes sure that one process at a time works.
 */

import { randomUUID } from 'node:crypto';
import type { InsightStatus } from '@cl-server/contract';
import type { WorkerRegister } from '@cl-server/jobs';
import { WakeSignal } from '@cl-server/kit';
import type { Logger } from '@cl-server/service-kit';
import type { EntityFeed, InsightDatabase, MediaStore, RunWrite } from '../port.js';
import type { InsightRegistry } from '../registry.js';
import type { ResultCollector } from './collect-results.js';
import type { Dispatcher } from './dispatch.js';
import { dropLease, holdLease, INSIGHT_LEASE } from './lease.js';
import { park } from './park.js';
import { type PlanResult, planChanges, planPage } from './plan.js';
import { Rate, readBacklog } from './progress.js';
import { retryFailed } from './retry-failed.js';
import { NOTHING_RUNS, type Runnable, runnableBy } from './runnable.js';
import type { StatusPublisher } from './status-publisher.js';
import { switchModels } from './switch-models.js';
import type { WantedModels } from './wanted-models.js';

export interface InsightWorkerOptions {
  readonly db: InsightDatabase;
  readonly write: RunWrite;
  readonly feed: EntityFeed;
  readonly insights: InsightRegistry;
  readonly media: MediaStore;
  readonly dispatcher: Dispatcher;
  readonly collector: ResultCollector;
  readonly publisher: StatusPublisher;
  /** Derives what follows from results: the persons of faces, the near duplicates of pictures. */
  readonly derive: () => Promise<void>;
  /** Removes everything that nothing refers to any more. Called after each pass over all entities. */
  readonly sweep: () => Promise<void>;
  /** The reason why the folders of this process cannot be used; undefined if they are the right ones. */
  readonly folderMismatch: () => Promise<string | undefined>;
  readonly readModels: () => Promise<WantedModels>;
  /** The live workers and the tasks that they can run. */
  readonly workers: Pick<WorkerRegister, 'live'>;
  readonly logger: Logger;
  readonly now: () => number;
  /** Milliseconds until the next turn if no event asks for one. */
  readonly interval?: number;
  /** Milliseconds between two passes over all entities. */
  readonly fullPassInterval?: number;
}

const LEASE_MS = 8_000;
const STATUS_INTERVAL_MS = 5_000;
/** The lease is renewed and the status published independently of the turns, however long one of them takes. */
const RENEW_MS = 2_500;
/** How often the registry of workers is read if no event asks for it. */
const WORKERS_INTERVAL_MS = 1_000;

export class InsightWorker {
  readonly #options: InsightWorkerOptions;
  readonly #holder = randomUUID();
  readonly #rate: Rate;
  #runnable: Runnable = NOTHING_RUNS;
  #renewing: NodeJS.Timeout | undefined;
  /** Whether this process held the lease at the last renewal. */
  #holds = false;
  #mismatch: string | undefined;
  #stopping = false;
  readonly #wakeSignal = new WakeSignal();
  #loop: Promise<void> | undefined;
  /** Last transaction that was planned; 0 makes the first turn read all of them. */
  #cursor = 0;
  #fullPass: { afterId: number } | undefined = { afterId: 0 };
  #nextFullPass = 0;
  #lastStatus = 0;
  #nextWorkersRead = 0;
  /** Models of the last turn; when they change, all entities are planned again. */
  #models = '';

  constructor(options: InsightWorkerOptions) {
    this.#options = options;
    this.#rate = new Rate(options.now);
  }

  start(): void {
    this.#loop ??= this.#run();
    this.#renewing ??= setInterval(() => void this.#renew(), RENEW_MS);
  }

  /** Makes the next turn come at once. */
  wake(): void {
    this.#wakeSignal.set();
  }

  /** A worker announced itself: the next turn reads the registry of workers. */
  announced(): void {
    this.#nextWorkersRead = 0;
    this.wake();
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    clearInterval(this.#renewing);
    this.wake();
    await this.#loop;
    await dropLease(this.#options.db, INSIGHT_LEASE, this.#holder);
    await this.#publishStatus('offline');
  }

  async #run(): Promise<void> {
    const { logger, interval = 1_000 } = this.#options;
    while (!this.#stopping) {
      let busy = false;
      try {
        busy = (await this.#hasFolders()) && (await this.#hasLease()) && (await this.turn());
      } catch (error) {
        logger.error({ err: error }, 'a cycle of the insight worker failed; it will be retried');
      }
      if (!this.#stopping && !busy) await this.#wakeSignal.wait(interval);
    }
  }

  /** Logs a mismatch once, when it appears or changes. */
  async #hasFolders(): Promise<boolean> {
    const { folderMismatch, logger } = this.#options;
    const mismatch = await folderMismatch();
    if (mismatch !== undefined && mismatch !== this.#mismatch)
      logger.error({ reason: mismatch }, 'the insight worker waits until it is given the right folders');
    this.#mismatch = mismatch;
    return mismatch === undefined;
  }

  async #hasLease(): Promise<boolean> {
    const { db, now } = this.#options;
    this.#holds = await holdLease(db, {
      name: INSIGHT_LEASE,
      holder: this.#holder,
      now: now(),
      length: LEASE_MS,
    });
    return this.#holds;
  }

  /** Runs while a turn runs: one that decodes the frames of a film takes longer than the lease. */
  async #renew(): Promise<void> {
    if (!this.#holds || this.#stopping) return;
    try {
      if ((await this.#hasLease()) && this.#options.now() - this.#lastStatus >= STATUS_INTERVAL_MS)
        await this.#publishStatus();
    } catch (error) {
      this.#options.logger.warn(
        { err: error },
        'the lease of the insight worker could not be renewed; it will be retried',
      );
    }
  }

  /** @returns whether the next turn has more to do right away */
  async turn(): Promise<boolean> {
    const { db, write, feed, insights, dispatcher, collector, publisher, derive, readModels, now } = this.#options;
    const models = await readModels();
    await this.#readWorkers();
    const changed: number[] = [];
    const more = await this.#plan(models, changed);
    const collected = await collector.collect(models);
    this.#rate.add(collected.length);
    changed.push(...collected, ...(await this.#retry()), ...(await dispatcher.dispatch(now(), this.#runnable.able)));
    await derive();
    // During a pass, some entities have not been planned for the new model yet.
    if (!this.#fullPass) await switchModels(db, write, { feed, insights, models });
    await publisher.entities(changed);
    await publisher.clearOld();
    if (changed.length > 0) await this.#publishStatus();
    return more;
  }

  async #plan(models: WantedModels, changed: number[]): Promise<boolean> {
    const { db, write, feed, insights, now, fullPassInterval = 15 * 60_000 } = this.#options;
    const options = { db, write, feed, insights, models, withoutModel: this.#runnable.withoutModel };
    const take = async ({ changed: ids, freedFiles }: PlanResult): Promise<void> => {
      changed.push(...ids);
      for (const file of freedFiles) await this.#options.media.blobs.delete(file);
    };
    const since = await planChanges(options, this.#cursor);
    await take(since);
    const moved = since.transaction !== this.#cursor;
    this.#cursor = since.transaction;
    if (models.signature !== this.#models || (!this.#fullPass && now() >= this.#nextFullPass))
      this.#fullPass = { afterId: 0 };
    this.#models = models.signature;
    if (!this.#fullPass) return moved;
    const page = await planPage(options, this.#fullPass.afterId);
    await take(page);
    if (page.next !== undefined) {
      this.#fullPass = { afterId: page.next };
      return true;
    }
    await this.#options.sweep();
    this.#fullPass = undefined;
    this.#nextFullPass = now() + fullPassInterval;
    return moved;
  }

  async #readWorkers(): Promise<void> {
    const { workers, insights, now } = this.#options;
    if (now() < this.#nextWorkersRead) return;
    this.#nextWorkersRead = now() + WORKERS_INTERVAL_MS;
    this.#runnable = runnableBy(await workers.live(), insights);
  }

  /** Makes waiting and failed inferences pending if a worker can run them now. */
  async #retry(): Promise<number[]> {
    const { db, write, now } = this.#options;
    const moved = await park(db, write, this.#runnable);
    const due = await retryFailed(db, write, { dueBefore: now() });
    const possible = await retryFailed(db, write, { nowPossible: [...this.#runnable.able] });
    return [...moved, ...due, ...possible];
  }

  async #publishStatus(state?: string): Promise<void> {
    const { db, publisher, now } = this.#options;
    this.#lastStatus = now();
    const backlog = await readBacklog(db);
    const left = backlog.pending + backlog.running;
    const status: InsightStatus = {
      status: state ?? (left > 0 || this.#fullPass ? 'running' : 'idle'),
      timestamp: now(),
      version_start: null,
      version_end: this.#cursor,
      processed_count: this.#rate.perMinute(),
      ...backlog,
      rate: this.#rate.perMinute(),
      seconds_left: this.#rate.secondsLeft(left),
    };
    await publisher.status(status);
  }
}
