import type { AnyEndpoint } from '@cl-server/contract';
import type { JobEngine } from '@cl-server/jobs';
import type { App, Logger } from '@cl-server/service-kit';
import { serveBatch } from './batch-route.js';
import { serveCreation } from './create-routes.js';
import { JobCreation } from './creation.js';
import { jobApiEndpoints, type Tasks, taskRoutes } from './endpoints.js';
import { serveFiles } from './file-route.js';
import { serveJobs } from './job-route.js';
import { serveTasks } from './task-route.js';
import { serveWatch } from './watch-route.js';
import { WorkerViews } from './worker-views.js';

export interface JobApiOptions {
  readonly jobs: Pick<JobEngine, 'repository' | 'storage' | 'events' | 'identity' | 'workers'>;
  readonly tasks: Tasks;
  readonly logger: Logger;
  /** Whether the service runs without authentication, so that anybody may set any priority; default false. */
  readonly noAuth?: boolean;
  /** Folders in which `*_absolute_path` fields may point: stored media to read, streams to write. */
  readonly mediaDir: string;
  readonly streamsDir: string;
  /** Jobs that one user, or all guests together, may have waiting; default 10,000. */
  readonly maxQueued?: number;
  /** Bytes that one user, or all guests together, may keep; 0 or absent: no limit. */
  readonly userBytes?: number | undefined;
  /** Event streams that one user, or all guests together, may have open; default 50. */
  readonly maxStreams?: number;
  /** Milliseconds between two keep-alive comments of an event stream; default 15,000. */
  readonly keepAliveMs?: number;
}

/** The job endpoints, ready for an app: its table first, then the handlers. */
export interface JobApi {
  /** To be part of the app's endpoint table. */
  readonly endpoints: readonly AnyEndpoint[];
  /** Makes the app answer them. Its uploads must go to `storage.uploads`. */
  serve(app: App): void;
}

export function createJobApi(options: JobApiOptions): JobApi {
  const { jobs, tasks, logger, mediaDir, streamsDir, maxQueued = 10_000, noAuth: trustsAll = false } = options;
  const { repository, storage, events, identity } = jobs;
  const routes = taskRoutes(tasks, logger);
  const creation = new JobCreation({
    repository,
    storage,
    identity,
    mediaDir,
    streamsDir,
    maxQueued,
    userBytes: options.userBytes,
  });
  return {
    endpoints: jobApiEndpoints(routes),
    serve(app) {
      serveCreation(app, routes, { creation, trustsAll });
      serveBatch(app, { repository, storage, creation, routes, trustsAll });
      serveJobs(app, { repository, maxQueued });
      serveFiles(app, { repository, storage });
      serveWatch(app, {
        repository,
        events,
        logger,
        maxStreams: options.maxStreams ?? 50,
        keepAliveMs: options.keepAliveMs ?? 15_000,
      });
      serveTasks(app, tasks, routes, new WorkerViews(jobs.workers));
    },
  };
}
