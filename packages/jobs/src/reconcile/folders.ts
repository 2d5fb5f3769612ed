/** Brings rows and folders into agreement again. */
import { inGroups } from '@cl-server/kit';
import type { Kysely } from 'kysely';
import type { JobRecord } from '../job.js';
import type { SqlJobRepository } from '../queue/repository.js';
import type { JobFiles } from '../storage/job-files.js';
import type { JobTables } from '../tables.js';

const BATCH_SIZE = 200;
const QUEUED_BATCH_SIZE = 500;

export interface FoldersOptions {
  readonly kysely: Kysely<JobTables>;
  readonly repository: SqlJobRepository;
  readonly storage: JobFiles;
  readonly now: () => number;
  /** Age at which a folder without a job is removed. */
  readonly orphanMs: number;
}

export interface FoldersReport {
  readonly directories_removed: number;
  readonly attempts_removed: number;
}

/** Removes folders without a job, and attempts that were neither committed nor are running. */
export async function tidyFolders({ repository, storage, now, orphanMs }: FoldersOptions): Promise<FoldersReport> {
  let directories_removed = 0;
  let attempts_removed = 0;
  // Files are saved before the row of their job, so young ones may be about to get it.
  const isOrphan = (jobId: string): Promise<boolean> => storage.isUntouchedSince(jobId, now() - orphanMs);
  for await (const jobIds of inGroups(storage.jobIds(), BATCH_SIZE)) {
    const jobs = await repository.getJobs(jobIds);
    for (const jobId of jobIds) {
      const job = jobs.get(jobId);
      if (job) attempts_removed += await removeStaleAttempts(storage, job);
      else if (await isOrphan(jobId)) directories_removed += (await storage.remove(jobId)) ? 1 : 0;
    }
  }
  return { directories_removed, attempts_removed };
}

async function removeStaleAttempts(storage: JobFiles, job: JobRecord): Promise<number> {
  let removed = 0;
  for (const attempt of await storage.attempts(job.job_id)) {
    // Numbers above the row's belong to a claim that came after the row was read.
    const isRunning = job.status === 'processing' && attempt === job.attempt;
    if (attempt > job.attempt || isRunning || attempt === job.committed_attempt) continue;
    await storage.removeAttempt(job.job_id, attempt);
    removed += 1;
  }
  return removed;
}

/** Fails queued jobs whose input no longer exists: no worker could ever run them. @returns how many */
export async function failWithoutFiles({ kysely, repository, storage }: FoldersOptions): Promise<number> {
  let failed = 0;
  let after = 0;
  for (;;) {
    const rows = await kysely
      .selectFrom('jobs')
      .select(['seq', 'job_id', 'params'])
      .where('status', '=', 'queued')
      .where('seq', '>', after)
      .orderBy('seq')
      .limit(QUEUED_BATCH_SIZE)
      .execute();
    const last = rows.at(-1);
    if (!last) return failed;
    after = last.seq;
    for (const { job_id, params } of rows) {
      const { input_path } = JSON.parse(params) as { input_path?: unknown };
      if (typeof input_path !== 'string' || !input_path.startsWith('input/')) continue;
      if (await storage.hasInput(job_id, input_path)) continue;
      failed += await repository.reject([job_id], 'invalid_input', 'The input file of this job is gone');
    }
  }
}
