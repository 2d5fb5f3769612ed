/** The compute service: connects the job engine, the endpoints and the metrics. */
import { COMPUTE_API, computeEndpoints } from '@cl-server/contract';
import { type JobServiceOptions, openJobService } from '@cl-server/job-routes';
import type { JobEngine, JobTables } from '@cl-server/jobs';
import {
  type App,
  brokerChecks,
  createApp,
  createAuthorizer,
  createMetrics,
  type Database,
  databaseAnswers,
  folderIsUsable,
} from '@cl-server/service-kit';
import { countEndedJobs, engineMetrics, queueMetrics } from './metrics.js';
import { serveAdmin } from './routes/admin.js';
import { serveInfo } from './routes/info.js';

export interface ComputeOptions extends JobServiceOptions {
  /** Has the migrated job tables. The caller closes it. */
  readonly database: Database<JobTables>;
  /** Absolute path of the folder of job files. */
  readonly storageDir: string;
}

export interface ComputeService {
  readonly app: App;
  readonly jobs: JobEngine;
  /** Ends event streams and requests, and publishes pending events. */
  close(): Promise<void>;
}

export async function createComputeService(options: ComputeOptions): Promise<ComputeService> {
  const { database, storageDir, logger, noAuth = false, now = Date.now } = options;
  const metrics = createMetrics('compute');
  const jobService = await openJobService(options, { database, storageDir, metrics: engineMetrics(metrics) });
  const { jobs, guestMode, workers } = jobService;
  const { repository, storage, events } = jobs;
  queueMetrics(metrics, repository, logger);
  const ended = countEndedJobs(metrics, { repository, events, logger });

  const app = createApp({
    info: COMPUTE_API,
    endpoints: jobService.endpoints(computeEndpoints),
    authorize: createAuthorizer({
      verifier: options.verifier,
      openness: async (guard) => (noAuth || (guard === 'compute' && (await guestMode.isOn())) ? 'open' : 'closed'),
    }),
    logger,
    metrics,
    uploads: { folder: storage.uploads, maxBytes: options.maxUploadBytes },
    checks: {
      database: () => databaseAnswers(database),
      storage: () => folderIsUsable(storage.uploads),
      identity: () => jobs.identity.check(),
      ...options.checks,
    },
    optionalChecks: brokerChecks(options.broadcaster),
    checkResponses: options.checkResponses ?? false,
    ...options.http,
  });
  serveInfo(app, { guestMode, workers, noAuth });
  jobService.api.serve(app);
  serveAdmin(app, { jobs, guestMode, logger, now });

  const stopping = new AbortController();
  const reconciling = jobs.reconciler.run(stopping.signal);
  return {
    app,
    jobs,
    close: async () => {
      await app.close();
      stopping.abort();
      await reconciling;
      await ended.close();
      await jobs.close();
    },
  };
}
