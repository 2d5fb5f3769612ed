/** The job engine: opened with `openJobs`; everything else is what its users pass in and get back. */
export type { JobMetrics } from './context.js';
export { type JobEngine, type JobEngineOptions, openJobs } from './engine.js';
export { JobError, type JobErrorKind } from './errors.js';
export type { JobEventListener } from './events/publisher.js';
export type { JobEvents } from './events/watch.js';
export { type Fence, type JobRecord, jobView, newJobId } from './job.js';
export { agreeOnJobDatabase, jobDatabaseSettings, jobDatabaseUrl } from './job-database.js';
export { jobMigrations } from './migrations/index.js';
export type { Preference, Preferences } from './preferences.js';
export type { Claim, ClaimRequest, LeaseState, ProgressReport, RenewAnswer } from './queue/claim.js';
export type { OverBudget } from './queue/dialect.js';
export type { CancelResult, Completion, Failure, RetryResult } from './queue/finish.js';
export type { AddOptions, AddResult, NewJob } from './queue/insert.js';
export type { JobPage, ListFilter, QueueStats, Stats } from './queue/query.js';
export type { JobRepository } from './queue/repository.js';
export type { ReconcileReport, Reconciler } from './reconcile/reconciler.js';
export { jobFolderIdentity } from './storage/identity.js';
export type { FileSource, FilesOf, JobFile, JobStorage, SavedFile } from './storage/job-files.js';
export type { JobTables } from './tables.js';
export { type ClaimedSpace, STREAM_CLAIMS, type Usage, type UsageClaim, type UserUsage } from './usage.js';
export { type Impossible, impossibleTasks } from './workers/impossible-jobs.js';
export {
  type RegisteredWorker,
  STARTING,
  type WorkerAbilities,
  type WorkerRegister,
  workerMessage,
} from './workers/register.js';
