/** The job engine, put together. What its parts do is described at their heads; README.md says where to begin. */
import fs from 'node:fs';
import path from 'node:path';
import { LocalBlobStore } from '@cl-server/blobs';
import { TOPICS } from '@cl-server/contract';
import {
  type Broadcaster,
  type Database,
  type FolderIdentity,
  type Logger,
  noBroadcaster,
} from '@cl-server/service-kit';
import type { JobContext, JobMetrics } from './context.js';
import { Outbox } from './events/outbox.js';
import { Publisher } from './events/publisher.js';
import { Relay } from './events/relay.js';
import { type JobEvents, watchJob } from './events/watch.js';
import { type Preferences, SqlPreferences } from './preferences.js';
import { JobQueries } from './queue/query.js';
import { type JobRepository, SqlJobRepository } from './queue/repository.js';
import { JobReconciler, type Reconciler } from './reconcile/reconciler.js';
import { jobFolderIdentity } from './storage/identity.js';
import { JobFiles, type JobStorage } from './storage/job-files.js';
import type { JobTables } from './tables.js';
import { SqlUsage, type Usage } from './usage.js';
import { ImpossibleJobs } from './workers/impossible-jobs.js';
import { SqlWorkerRegister, type WorkerRegister } from './workers/register.js';

export interface JobEngineOptions {
  /** Migrated with `jobMigrations` (`migrate`, `assertMigrated` of the runtime). */
  readonly database: Database<JobTables>;
  /** Folder of job files, absolute; made if absent. */
  readonly storageDir: string;
  readonly broadcaster: Broadcaster;
  readonly logger: Logger;
  /** Topic of job events (`MQTT_TOPIC`); default `inference/events`. */
  readonly eventsTopic?: string;
  /** Whether `job/status/{id}` is published (`MQTT_JOB_STATUS`); the same in every process. Default false. */
  readonly jobStatusTopic?: boolean;
  /** Whether the broker is this platform's alone, so that statuses of unknown jobs on it may be cleared. Default false. */
  readonly ownsBroker?: boolean;
  /** Prefix of the topics of workers (`CAPABILITY_TOPIC_PREFIX`); default `inference/workers`. */
  readonly workersTopic?: string;
  /** Milliseconds without a beat after which a worker counts as gone; default 30,000. */
  readonly workerMaxAgeMs?: number;
  /** Length of a lease in milliseconds; default 20,000. */
  readonly leaseMs?: number;
  /** Delay before the first retry in milliseconds, doubled with each; default 1,000, at most 5 minutes. */
  readonly retryDelayMs?: number;
  readonly metrics?: JobMetrics;
  /** Milliseconds since 1970; default Date.now. */
  readonly now?: () => number;
  /** A clock that nobody can set, in milliseconds; default performance.now, or `now` where that is another than Date.now. */
  readonly monotonic?: () => number;
  /** Claims look for expired leases and finished delays at most this often, in milliseconds; default 500. */
  readonly upkeepMs?: number;
  /** Age in milliseconds from which a folder without a job is removed; default one hour. */
  readonly orphanMs?: number;
  /** Age in milliseconds, since its end, from which the reconciler removes a job; default 0: never. */
  readonly retentionMs?: number;
  /** Jobs that are removed for their age in one full pass of the reconciler; default 2,000. */
  readonly retentionBatch?: number;
  /** Random part of a fencing token; default from the system. */
  readonly random?: () => string;
  /** Whether this process may say that folder and database belong together; false for a worker. Default true. */
  readonly decidesIdentity?: boolean;
}

export interface JobEngine {
  readonly repository: JobRepository;
  readonly storage: JobStorage;
  readonly events: JobEvents;
  readonly reconciler: Reconciler;
  readonly preferences: Preferences;
  readonly workers: WorkerRegister;
  readonly usage: Usage;
  /** Whether the storage's folder belongs to the database. */
  readonly identity: FolderIdentity;
  /** Publishes and stores what is still in hand. The database and the broadcaster stay open: they are the caller's. */
  close(): Promise<void>;
}

const DEFAULT_LEASE_MS = 20_000;
const DEFAULT_WORKER_MAX_AGE_MS = 30_000;
const DEFAULT_RETRY_DELAY_MS = 1_000;
const MAX_RETRY_DELAY_MS = 300_000;
const UPKEEP_MS = 500;
const ORPHAN_MS = 3_600_000;
const RETENTION_BATCH = 2_000;

/** Puts the engine together. Opens nothing itself but the storage's folder. */
export function openJobs(options: JobEngineOptions): JobEngine {
  const { database, broadcaster, logger, leaseMs = DEFAULT_LEASE_MS, now = Date.now } = options;
  const kysely = database.kysely;
  const topic = options.eventsTopic ?? TOPICS.jobEvents;
  const hasBroker = broadcaster !== noBroadcaster;
  const publishesStatus = hasBroker && options.jobStatusTopic === true;
  const outbox = hasBroker ? new Outbox(kysely) : undefined;
  const storageDir = path.resolve(options.storageDir);
  // Tasks can write in the folder, so links in it are not followed.
  const storage = new JobFiles(new LocalBlobStore(storageDir, { refusesLinks: true }));
  fs.mkdirSync(storage.uploads, { recursive: true, mode: 0o750 });
  const queries = new JobQueries(database);
  const read = (jobIds: readonly string[]) => queries.get(jobIds);
  const publisher = new Publisher({ broadcaster, logger, topic, outbox, publishesStatus, read, now });
  const context: JobContext = {
    database,
    outbox,
    publishesStatus,
    publish: (changes) => publisher.publish(changes),
    leaseMs,
    retryPolicy: { delayMs: options.retryDelayMs ?? DEFAULT_RETRY_DELAY_MS, maxDelayMs: MAX_RETRY_DELAY_MS },
    metrics: options.metrics ?? {},
    now,
    // A clock that a test sets is steady by definition; the machine's own is not, even if it is passed in.
    monotonic: options.monotonic ?? (now === Date.now ? () => performance.now() : now),
  };
  const repository = new SqlJobRepository(context, queries, storage, {
    random: options.random,
    upkeepMs: options.upkeepMs ?? UPKEEP_MS,
  });
  const identity = jobFolderIdentity({
    database,
    folder: storageDir,
    mayDecide: options.decidesIdentity ?? true,
    now,
  });
  const { status } = publisher;
  const relay = outbox && new Relay({ broadcaster, outbox, topic, status, read, now });
  const events: JobEvents = {
    subscribe: (listener) => publisher.subscribe(listener),
    watch: (jobId, { signal }) =>
      watchJob(jobId, signal, {
        read: (id) => repository.getJob(id),
        subscribe: (listener) => publisher.subscribe(listener),
      }),
    relay: async () => (relay ? relay.run() : 0),
    flush: () => publisher.flush(),
  };
  const workers = new SqlWorkerRegister({
    kysely,
    now,
    maxAgeMs: options.workerMaxAgeMs ?? DEFAULT_WORKER_MAX_AGE_MS,
  });
  const impossible = new ImpossibleJobs({
    register: workers,
    repository,
    subscribe: (listener) => publisher.subscribe(listener),
    broadcaster,
    workersTopic: options.workersTopic ?? TOPICS.workers,
    logger,
  });
  const usage = new SqlUsage({ database, storage, now });
  const reconciler = new JobReconciler({
    usage,
    impossible,
    kysely,
    repository,
    storage,
    broadcaster,
    relay,
    status,
    ownsBroker: options.ownsBroker ?? false,
    identity,
    leaseMs,
    retentionMs: options.retentionMs ?? 0,
    retentionBatch: options.retentionBatch ?? RETENTION_BATCH,
    logger,
    now,
    orphanMs: options.orphanMs ?? ORPHAN_MS,
  });
  return {
    repository,
    storage,
    events,
    reconciler,
    preferences: new SqlPreferences(kysely, now),
    workers,
    usage,
    identity,
    close: () => publisher.close(),
  };
}
