/** The parts of every service that accepts jobs: the engine, permissions, workers and the job endpoints. */
import { type AnyEndpoint, jobEndpoints } from '@cl-server/contract';
import { type JobEngine, type JobEngineOptions, openJobs } from '@cl-server/jobs';
import type { Broadcaster, HttpOptions, Logger, ReadinessCheck, TokenVerifier } from '@cl-server/service-kit';
import type { Tasks } from './endpoints.js';
import { GuestMode } from './guest-mode.js';
import { createJobApi, type JobApi } from './serve.js';
import { WorkerViews } from './worker-views.js';

/** Options of such a service. */
export interface JobServiceOptions {
  /** Folders, absolute. */
  readonly mediaDir: string;
  readonly streamsDir: string;
  /** The caller closes it. */
  readonly broadcaster: Broadcaster;
  readonly verifier: TokenVerifier;
  readonly tasks: Tasks;
  readonly logger: Logger;
  readonly maxUploadBytes: number;
  readonly noAuth?: boolean;
  /** Jobs that one user may have waiting. */
  readonly maxQueued?: number;
  /** Bytes that one user, or all guests together, may keep over entities, jobs and uploads; 0 or absent: no limit. */
  readonly userBytes?: number | undefined;
  /** Milliseconds for which ended jobs are kept; 0 or absent: for ever. */
  readonly retentionMs?: number;
  readonly eventsTopic?: string;
  readonly workersTopic: string;
  /** Milliseconds without a beat after which a worker counts as gone. */
  readonly workerMaxAge: number;
  readonly jobStatusTopic?: boolean;
  /** Whether the broker is this platform's alone. */
  readonly ownsBroker?: boolean;
  /** Hosts, origins and limits of the HTTP server. */
  readonly http?: HttpOptions;
  /** Further things that the service needs, by name. */
  readonly checks?: Readonly<Record<string, ReadinessCheck>>;
  /** Tests set it: an answer that does not fit its schema is then a 500. */
  readonly checkResponses?: boolean;
  /** Milliseconds. */
  readonly now?: () => number;
}

/** The database of the jobs, migrated, and their files. The caller closes the database. */
export type JobPlace = Pick<JobEngineOptions, 'database' | 'storageDir' | 'metrics'>;

export interface JobService {
  readonly jobs: JobEngine;
  readonly guestMode: GuestMode;
  readonly workers: WorkerViews;
  readonly api: JobApi;
  /** A service's own table with one entry for each task of this installation. */
  endpoints(own: readonly AnyEndpoint[]): readonly AnyEndpoint[];
}

const isJobEndpoint = new Set<unknown>(jobEndpoints);

/** The caller closes its jobs last. */
export async function openJobService(options: JobServiceOptions, place: JobPlace): Promise<JobService> {
  const { broadcaster, logger, tasks, mediaDir, streamsDir, maxQueued, now = Date.now } = options;
  const { eventsTopic, jobStatusTopic, ownsBroker, retentionMs, workersTopic, noAuth = false } = options;
  const { workerMaxAge: workerMaxAgeMs } = options;
  const jobs = openJobs({
    ...place,
    broadcaster,
    logger,
    eventsTopic,
    jobStatusTopic,
    ownsBroker,
    retentionMs,
    workersTopic,
    workerMaxAgeMs,
    now,
  });
  const mismatch = await jobs.identity.mismatch();
  if (mismatch !== undefined) logger.error({ reason: mismatch }, 'no job is taken, and no job file is removed');
  const workers = new WorkerViews(jobs.workers);
  const api = createJobApi({
    jobs,
    tasks,
    logger,
    noAuth,
    mediaDir,
    streamsDir,
    maxQueued,
    userBytes: options.userBytes,
  });
  return {
    jobs,
    guestMode: new GuestMode({ preferences: jobs.preferences, now }),
    workers,
    api,
    endpoints: (own) => [...own.filter((endpoint) => !isJobEndpoint.has(endpoint)), ...api.endpoints],
  };
}
