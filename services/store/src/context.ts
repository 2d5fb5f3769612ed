/** The parts that all features of the store share: databases, events, budget, jobs and the media folder. */
import path from 'node:path';
import type { Insight } from '@cl-server/insight';
import { type JobService, type JobServiceOptions, openJobService } from '@cl-server/job-routes';
import type { JobEngine, JobTables } from '@cl-server/jobs';
import {
  createMetrics,
  type Database,
  type FolderIdentity,
  type MetricsRegistry,
  type RevocationSource,
} from '@cl-server/service-kit';
import type { Kysely } from 'kysely';
import { type Rights, rightsOf, type UserOf, userOf } from './access/rights.js';
import { Budget } from './database/budget.js';
import { openReads, type Reads } from './database/reads.js';
import type { StoreTables } from './database/tables.js';
import { type RunWrite, writeTransactions } from './database/transaction.js';
import type { Limits } from './database/usage.js';
import { EntityReader } from './entities/reader.js';
import { StoreEvents } from './events.js';
import { mediaFolderIdentity } from './files/identity.js';
import { MediaFolder } from './files/media-folder.js';

export interface StoreOptions extends JobServiceOptions {
  /** Has the migrated tables of the store. The caller closes it. */
  readonly database: Database<StoreTables>;
  /** Has the migrated job tables; the same as `database` if both are one SQLite file. The caller closes it. */
  readonly jobDatabase: Database<JobTables>;
  /** Absolute path of the folder of job files. */
  readonly jobStorageDir: string;
  readonly maxImagePixels: number;
  /** Programs; absent if they are not installed. If exiftool is absent, the packaged one is used. */
  readonly tools: {
    readonly ffmpeg: string | undefined;
    readonly ffprobe: string | undefined;
    readonly exiftool?: string | undefined;
  };
  /** The services' own credential, from which the key of signed URLs is derived. */
  readonly credential: string;
  /** The revoked tokens. The URLs that their holders signed are revoked, too. Default: none. */
  readonly revocations?: RevocationSource;
  /** The storage limits of each user and of all together. */
  readonly limits?: Limits;
  /** The insights of plugins. */
  readonly insights?: readonly Insight[];
  /** Milliseconds for which orphaned files are kept after they were set aside; default 30 days. */
  readonly orphanGraceMs?: number;
  /** Milliseconds between two counts of growing streams; default 5 seconds. */
  readonly countStreamsEvery?: number;
  /** Whether reading needs the permission until an admin decides. Absent: yes, unless the database is from a release without it. */
  readonly readAuth?: boolean | undefined;
}

export interface StoreContext {
  readonly options: StoreOptions;
  readonly db: Kysely<StoreTables>;
  readonly write: RunWrite;
  readonly reads: Reads;
  /** Reads single entities. */
  readonly reader: EntityReader;
  readonly events: StoreEvents;
  readonly limits: Limits;
  readonly budget: Budget;
  /** The jobs that store and compute share. */
  readonly jobs: JobEngine;
  readonly jobService: JobService;
  readonly folder: MediaFolder;
  readonly identity: FolderIdentity;
  /** False if the media folder belongs to another database. Nothing is written to it or removed from it then. */
  readonly ownsFolder: boolean;
  /** Each feature adds its metrics to it. */
  readonly metrics: MetricsRegistry;
  readonly rights: Rights;
  readonly userOf: UserOf;
  /** Milliseconds. */
  readonly now: () => number;
  /** Closes what `openContext` opened, after all features were closed. */
  close(): Promise<void>;
}

/** One part of the store. The function that creates it adds its routes to the app. */
export interface Feature {
  /** Begins the background work. It is called when the service listens. */
  start?(): void | Promise<void>;
  /** Ends the background work. It is called after the last request, before the features that were created earlier. */
  close(): void | Promise<void>;
}

const NO_LIMITS: Limits = { userBytes: 0, totalBytes: 0 };

export async function openContext(options: StoreOptions): Promise<StoreContext> {
  const { database, jobDatabase, logger, noAuth = false, now = Date.now, limits = NO_LIMITS } = options;
  const db = database.kysely;
  const folder = new MediaFolder(path.resolve(options.mediaDir));
  const reads = openReads(database);
  const jobService = await openJobService(
    { ...options, mediaDir: folder.root, userBytes: limits.userBytes },
    { database: jobDatabase, storageDir: options.jobStorageDir },
  );
  const { jobs } = jobService;
  const budget = new Budget({ usage: jobs.usage, database, jobDatabase, limit: limits.userBytes, logger, now });
  await budget.start();
  const identity = mediaFolderIdentity(database, folder.root, now);
  const mismatch = await identity.mismatch();
  if (mismatch !== undefined)
    logger.error({ reason: mismatch }, 'media can only be read: nothing is written or removed');
  return {
    options,
    db,
    write: writeTransactions(database, now, (users) => budget.changed(users)),
    reads,
    reader: new EntityReader(database, reads),
    events: new StoreEvents(options.broadcaster, now),
    limits,
    budget,
    jobs,
    jobService,
    folder,
    identity,
    ownsFolder: mismatch === undefined,
    metrics: createMetrics('store'),
    rights: rightsOf(noAuth),
    userOf: userOf(noAuth),
    now,
    close: async () => {
      await budget.close();
      await jobs.close();
      await reads.close();
    },
  };
}
