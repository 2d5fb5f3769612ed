/**
 * The insight worker: every entity understood, whatever is killed meanwhile.
 *
 * A turn discovers what is missing, harvests what has ended, revives what may be tried again, dispatches what there is
 * room for, settles persons and models, and tells how far it is. Nothing is kept between turns that could not be read
 * again from the database; events only make a turn come sooner. One process at a time works, by a lease.
 */
import { randomUUID } from 'node:crypto';
import fs from 'node:fs/promises';
import type { InsightStatus } from '@cl-server/contract';
import type { WorkerRegister } from '@cl-server/jobs';
import type { Logger } from '@cl-server/service-kit';
import type { Kysely } from 'kysely';
import type { StoreTables } from '../database/tables.js';
import type { RunWrite } from '../database/transaction.js';
import type { MediaFolder } from '../files/media-folder.js';
import type { Announcer } from './announce.js';
import { type Discovery, discoverChanges, discoverPage } from './discover.js';
import type { Dispatcher } from './dispatch.js';
import type { Harvester } from './harvest.js';
import { dropLease, holdLease, INSIGHT_LEASE } from './lease.js';
import { park } from './park.js';
import { Rate, readBacklog } from './progress.js';
import { revive } from './revive.js';
import { NOTHING_RUNS, type Runnable, runnableBy } from './runnable.js';
import { switchModels } from './switch-models.js';
import type { WantedModels } from './wanted-models.js';

export interface InsightWorkerOptions {
  readonly db: Kysely<StoreTables>;
  readonly write: RunWrite;
  readonly media: MediaFolder;
  readonly dispatcher: Dispatcher;
  readonly harvester: Harvester;
  readonly announcer: Announcer;
  /** What follows from results: persons of faces, near duplicates of pictures. */
  readonly settle: () => Promise<void>;
  /** Removes what nothing refers to any more; after each look at every entity. */
  readonly sweep: () => Promise<void>;
  /** Why nothing can be done with the folders that this process was given; undefined if they are the right ones. */
  readonly folderMismatch: () => Promise<string | undefined>;
  readonly readModels: () => Promise<WantedModels>;
  /** Which workers live and what they can run; jobs are made for that alone. */
  readonly workers: Pick<WorkerRegister, 'live'>;
  readonly logger: Logger;
  readonly now: () => number;
  /** Milliseconds between two turns that nothing asked for. */
  readonly interval?: number;
  /** Milliseconds between two looks at every entity. */
  readonly fullPassInterval?: number;
}

const LEASE_LENGTH = 8_000;
const HEARTBEAT = 5_000;
/** The lease is renewed and the state told beside the turns, however long one of them takes. */
const BEAT = 2_500;
/** Milliseconds between two looks at the register of workers that nothing asked for; without a beat for GONE, one counts as gone. */
const LOOK = 1_000;
const GONE = 30_000;

export class InsightWorker {
  readonly #options: InsightWorkerOptions;
  readonly #holder = randomUUID();
  readonly #rate: Rate;
  #runnable: Runnable = NOTHING_RUNS;
  #beating: NodeJS.Timeout | undefined;
  /** Whether this process is the one that works, as of the last renewal. */
  #holds = false;
  #mismatch: string | undefined;
  #stopping = false;
  #wake: (() => void) | undefined;
  #woken = false;
  #loop: Promise<void> | undefined;
  /** Last transaction seen; 0 makes the first turn look at all that there is. */
  #cursor = 0;
  #fullPass: { afterId: number } | undefined = { afterId: 0 };
  #nextFullPass = 0;
  #lastStatus = 0;
  #nextLook = 0;
  /** Models of the last turn; with others every entity is looked at again. */
  #models = '';

  constructor(options: InsightWorkerOptions) {
    this.#options = options;
    this.#rate = new Rate(options.now);
  }

  start(): void {
    this.#loop ??= this.#run();
    this.#beating ??= setInterval(() => void this.#beat(), BEAT);
  }

  /** Makes the next turn come at once. */
  wake(): void {
    this.#woken = true;
    this.#wake?.();
  }

  /** A worker said something: what it can run is looked up in the register at the next turn. */
  announced(): void {
    this.#nextLook = 0;
    this.wake();
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    clearInterval(this.#beating);
    this.wake();
    await this.#loop;
    await dropLease(this.#options.db, INSIGHT_LEASE, this.#holder);
    await this.#tell('offline');
  }

  async #run(): Promise<void> {
    const { logger, interval = 1_000 } = this.#options;
    while (!this.#stopping) {
      this.#woken = false;
      let busy = false;
      try {
        busy = (await this.#hasFolders()) && (await this.#hasLease()) && (await this.turn());
      } catch (error) {
        logger.error({ err: error }, 'a turn of the insight worker failed; it is tried again');
      }
      if (!this.#woken && !this.#stopping && !busy) await this.#sleep(interval);
    }
  }

  #sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  /** Said once at each change. */
  async #hasFolders(): Promise<boolean> {
    const { folderMismatch, logger } = this.#options;
    const mismatch = await folderMismatch();
    if (mismatch !== undefined && mismatch !== this.#mismatch)
      logger.error({ reason: mismatch }, 'nothing is done until the folders are the right ones');
    this.#mismatch = mismatch;
    return mismatch === undefined;
  }

  async #hasLease(): Promise<boolean> {
    const { db, now } = this.#options;
    this.#holds = await holdLease(db, {
      name: INSIGHT_LEASE,
      holder: this.#holder,
      now: now(),
      length: LEASE_LENGTH,
    });
    return this.#holds;
  }

  /** Beside the turns: one that decodes the frames of a film takes longer than a lease. */
  async #beat(): Promise<void> {
    if (!this.#holds || this.#stopping) return;
    try {
      if ((await this.#hasLease()) && this.#options.now() - this.#lastStatus >= HEARTBEAT) await this.#tell();
    } catch (error) {
      this.#options.logger.warn({ err: error }, 'the lease of the insight worker was not renewed; tried again');
    }
  }

  /** One turn. @returns whether there is more to do right away */
  async turn(): Promise<boolean> {
    const { db, write, dispatcher, harvester, announcer, settle, readModels, now } = this.#options;
    const models = await readModels();
    await this.#lookForWorkers();
    const changed: number[] = [];
    const more = await this.#discover(models, changed);
    const harvested = await harvester.harvest(models);
    this.#rate.add(harvested.length);
    changed.push(...harvested, ...(await this.#retry()), ...(await dispatcher.dispatch(now(), this.#runnable.able)));
    await settle();
    // During a pass not every entity is known to want the new model yet.
    if (!this.#fullPass) await switchModels(db, write, models);
    await announcer.entities(changed);
    await announcer.clearOld();
    if (changed.length > 0) await this.#tell();
    return more;
  }

  async #discover(models: WantedModels, changed: number[]): Promise<boolean> {
    const { db, write, now, fullPassInterval = 15 * 60_000 } = this.#options;
    const options = { db, write, models, withoutModel: this.#runnable.withoutModel };
    const take = async ({ changed: ids, freedFiles }: Discovery): Promise<void> => {
      changed.push(...ids);
      for (const file of freedFiles) await fs.rm(this.#options.media.resolve(file), { force: true });
    };
    const since = await discoverChanges(options, this.#cursor);
    await take(since);
    const moved = since.transaction !== this.#cursor;
    this.#cursor = since.transaction;
    if (models.signature !== this.#models || (!this.#fullPass && now() >= this.#nextFullPass))
      this.#fullPass = { afterId: 0 };
    this.#models = models.signature;
    if (!this.#fullPass) return moved;
    const page = await discoverPage(options, this.#fullPass.afterId);
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

  async #lookForWorkers(): Promise<void> {
    const { workers, now } = this.#options;
    if (now() < this.#nextLook) return;
    this.#nextLook = now() + LOOK;
    this.#runnable = runnableBy(await workers.live(GONE));
  }

  /** What waits or failed and can be done now. */
  async #retry(): Promise<number[]> {
    const { db, write, now } = this.#options;
    const moved = await park(db, write, this.#runnable);
    const due = await revive(db, write, { dueBefore: now() });
    const possible = await revive(db, write, { nowPossible: [...this.#runnable.able] });
    return [...moved, ...due, ...possible];
  }

  async #tell(word?: string): Promise<void> {
    const { db, announcer, now } = this.#options;
    this.#lastStatus = now();
    const backlog = await readBacklog(db);
    const left = backlog.pending + backlog.running;
    const status: InsightStatus = {
      status: word ?? (left > 0 || this.#fullPass ? 'running' : 'idle'),
      timestamp: now(),
      version_start: null,
      version_end: this.#cursor,
      processed_count: this.#rate.perMinute(),
      ...backlog,
      rate: this.#rate.perMinute(),
      seconds_left: this.#rate.secondsLeft(left),
    };
    await announcer.status(status);
  }
}
