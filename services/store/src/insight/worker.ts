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
import type { Logger } from '@cl-server/runtime';
import type { Kysely } from 'kysely';
import type { StoreTables } from '../database/tables.js';
import type { RunWrite } from '../database/transaction.js';
import type { MediaFolder } from '../files/media-folder.js';
import type { Announcer } from './announce.js';
import { type Discovery, discoverChanges, discoverPage } from './discover.js';
import type { Dispatcher } from './dispatch.js';
import type { Harvester } from './harvest.js';
import { dropLease, holdLease, INSIGHT_LEASE } from './lease.js';
import { Rate, readBacklog } from './progress.js';
import { revive } from './revive.js';
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
  /** Workers that no broker tells of. */
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
/** Milliseconds between two looks at the register of workers, and after which one of them counts as gone. */
const LOOK = 5_000;
const GONE = 30_000;

export class InsightWorker {
  readonly #options: InsightWorkerOptions;
  readonly #holder = randomUUID();
  readonly #rate: Rate;
  readonly #possible = new Set<string>();
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
  }

  /** Makes the next turn come at once. */
  wake(): void {
    this.#woken = true;
    this.#wake?.();
  }

  /** Workers announced these tasks: what failed for want of a model or a tool is tried again. */
  announced(tasks: readonly string[]): void {
    for (const task of tasks) this.#possible.add(task);
    this.wake();
  }

  async stop(): Promise<void> {
    this.#stopping = true;
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

  #hasLease(): Promise<boolean> {
    const { db, now } = this.#options;
    return holdLease(db, { name: INSIGHT_LEASE, holder: this.#holder, now: now(), length: LEASE_LENGTH });
  }

  /** One turn. @returns whether there is more to do right away */
  async turn(): Promise<boolean> {
    const { db, write, dispatcher, harvester, announcer, settle, readModels, now } = this.#options;
    const models = await readModels();
    const changed: number[] = [];
    const more = await this.#discover(models, changed);
    const harvested = await harvester.harvest(models);
    this.#rate.add(harvested.length);
    changed.push(...harvested, ...(await this.#revive()), ...(await dispatcher.dispatch(now())));
    await settle();
    // During a pass not every entity is known to want the new model yet.
    if (!this.#fullPass) await switchModels(db, write, models);
    await announcer.entities(changed);
    await announcer.clearOld();
    if (changed.length > 0 || now() - this.#lastStatus >= HEARTBEAT) await this.#tell();
    return more;
  }

  async #discover(models: WantedModels, changed: number[]): Promise<boolean> {
    const { db, write, now, fullPassInterval = 15 * 60_000 } = this.#options;
    const options = { db, write, models };
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

  async #revive(): Promise<number[]> {
    const { db, write, workers, now } = this.#options;
    if (now() >= this.#nextLook) {
      this.#nextLook = now() + LOOK;
      for (const { capabilities } of await workers.live(GONE))
        for (const task of capabilities) this.#possible.add(task);
    }
    const due = await revive(db, write, { dueBefore: now() });
    if (this.#possible.size === 0) return due;
    const tasks = [...this.#possible];
    this.#possible.clear();
    return [...due, ...(await revive(db, write, { nowPossible: tasks }))];
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
