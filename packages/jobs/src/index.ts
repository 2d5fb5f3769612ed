export { type JobEngine, type JobEngineOptions, openJobs } from './engine.js';
export { newJobId } from './id.js';
export { agreeOnJobDatabase, jobDatabaseSettings, jobDatabaseUrl } from './job-database.js';
export { jobMigrations } from './migrations/index.js';
export { jobView } from './record.js';
export { jobFolderIdentity } from './storage/identity.js';
export type { JobTables } from './tables.js';
export type * from './types.js';
export * from './usage.js';
export { type Impossible, impossibleTasks } from './workers/impossible-jobs.js';
export {
  type RegisteredWorker,
  STARTING,
  type WorkerAbilities,
  type WorkerRegister,
  workerMessage,
} from './workers/register.js';
