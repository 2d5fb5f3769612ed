import type { Broadcaster, Database, Logger } from '@cl-server/runtime';
import type { JobTables } from './tables.js';
import type { JobEvents, JobMetrics, JobRepository, JobStorage, Preferences, Reconciler } from './types.js';

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
  /** Length of a lease in milliseconds; default 30,000. */
  readonly leaseMs?: number;
  /** Delay before the first retry in milliseconds, doubled with each; default 1,000, at most 5 minutes. */
  readonly retryDelayMs?: number;
  readonly metrics?: JobMetrics;
  /** Milliseconds since 1970; default Date.now. */
  readonly now?: () => number;
  /** Random part of a fencing token; default from the system. */
  readonly random?: () => string;
}

export interface JobEngine {
  readonly repository: JobRepository;
  readonly storage: JobStorage;
  readonly events: JobEvents;
  readonly reconciler: Reconciler;
  readonly preferences: Preferences;
  /** Publishes and stores what is still in hand. The database and the broadcaster stay open: they are the caller's. */
  close(): Promise<void>;
}

/** Puts the engine together. */
export function openJobs(_options: JobEngineOptions): JobEngine {
  throw new Error('the engine is being assembled');
}
