/** The compute service, put together from what it is given. */
import fs from 'node:fs/promises';
import { COMPUTE_API, computeEndpoints, jobEndpoints } from '@cl-server/contract';
import { createJobApi, GuestMode, LiveWorkers } from '@cl-server/job-routes';
import { type JobEngine, type JobTables, openJobs } from '@cl-server/jobs';
import {
  type App,
  type Broadcaster,
  createApp,
  createAuthorizer,
  createMetrics,
  type Database,
  databaseAnswers,
  type Logger,
  type ReadinessCheck,
  type TokenVerifier,
} from '@cl-server/runtime';
import type { TaskRegistry } from '@cl-server/task-kit';
import { countEndedJobs, engineMetrics, queueMetrics } from './metrics.js';
import { RefusedTasks } from './refused-tasks.js';
import { serveAdmin } from './routes/admin.js';
import { serveInfo } from './routes/info.js';

export interface ComputeOptions {
  /** With the job tables, migrated. The caller closes it. */
  readonly database: Database<JobTables>;
  /** Folders, absolute. */
  readonly storageDir: string;
  readonly mediaDir: string;
  readonly streamsDir: string;
  /** The caller closes it. */
  readonly broadcaster: Broadcaster;
  readonly verifier: TokenVerifier;
  readonly tasks: Pick<TaskRegistry, 'get' | 'plugin' | 'definitions'>;
  readonly logger: Logger;
  readonly maxUploadBytes: number;
  readonly noAuth?: boolean;
  /** Jobs that one user may have waiting. */
  readonly maxQueued?: number;
  readonly eventsTopic?: string;
  readonly workersTopic: string;
  /** Milliseconds without a beat after which a worker counts as gone. */
  readonly workerMaxAge: number;
  readonly jobStatusTopic?: boolean;
  readonly corsOrigins?: readonly string[];
  /** Further things that the service needs, by name. */
  readonly checks?: Readonly<Record<string, ReadinessCheck>>;
  /** Tests set it: an answer that does not fit its schema is then a 500. */
  readonly checkResponses?: boolean;
  /** Milliseconds. */
  readonly now?: () => number;
}

export interface ComputeService {
  readonly app: App;
  readonly jobs: JobEngine;
  readonly workers: LiveWorkers;
  /** Ends streams and requests, and hands over what is still in hand. */
  close(): Promise<void>;
}

const isJobEndpoint = new Set<unknown>(jobEndpoints);

export async function createComputeService(options: ComputeOptions): Promise<ComputeService> {
  const { database, broadcaster, logger, noAuth = false, now = Date.now } = options;
  const metrics = createMetrics('compute');
  const jobs = openJobs({
    database,
    storageDir: options.storageDir,
    broadcaster,
    logger,
    metrics: engineMetrics(metrics),
    now,
    ...(options.eventsTopic !== undefined && { eventsTopic: options.eventsTopic }),
    ...(options.jobStatusTopic !== undefined && { jobStatusTopic: options.jobStatusTopic }),
  });
  const { repository, storage, events } = jobs;
  const guestMode = new GuestMode({ preferences: jobs.preferences, now });
  const workers = await new LiveWorkers({
    broadcaster,
    prefix: options.workersTopic,
    maxAge: options.workerMaxAge,
    logger,
    now,
  }).start();
  const refused = new RefusedTasks({ workers, repository, events, logger }).start();
  queueMetrics(metrics, repository, logger);
  const ended = countEndedJobs(metrics, { repository, events, logger });

  const api = createJobApi({
    jobs,
    tasks: options.tasks,
    logger,
    mediaDir: options.mediaDir,
    streamsDir: options.streamsDir,
    availability: (task) => workers.availability(task),
    ...(options.maxQueued !== undefined && { maxQueued: options.maxQueued }),
  });
  const app = createApp({
    info: COMPUTE_API,
    endpoints: [...computeEndpoints.filter((endpoint) => !isJobEndpoint.has(endpoint)), ...api.endpoints],
    authorize: createAuthorizer({
      verifier: options.verifier,
      openness: async (guard) => (noAuth || (guard === 'compute' && (await guestMode.isOn())) ? 'open' : 'closed'),
    }),
    logger,
    metrics,
    uploads: { folder: storage.uploads, maxBytes: options.maxUploadBytes },
    checks: {
      database: () => databaseAnswers(database),
      storage: () => fs.access(storage.root, fs.constants.W_OK).then(() => true),
      ...options.checks,
    },
    checkResponses: options.checkResponses ?? false,
    ...(options.corsOrigins && { corsOrigins: options.corsOrigins }),
  });
  serveInfo(app, { guestMode, workers, noAuth });
  api.serve(app);
  serveAdmin(app, { jobs, guestMode, logger, now });

  const stopping = new AbortController();
  const reconciling = jobs.reconciler.run(stopping.signal);
  return {
    app,
    jobs,
    workers,
    close: async () => {
      await app.close();
      stopping.abort();
      await reconciling;
      await refused.close();
      await ended.close();
      await workers.close();
      await jobs.close();
    },
  };
}
