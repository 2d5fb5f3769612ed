/**
 * Jobs in the database. Each concept has its file here: insert, claim (with renewal and progress), finish (complete, fail,
 * cancel, retry), delete, query, and leases, which time ends. The statements that every job goes through are written for
 * each database (`sqlite.ts`, `postgres.ts`); rarer updates go through the state machine (`update.ts`).
 */
import type { JobErrorCode, JobStatus } from '@cl-server/contract';
import { byDialect } from '@cl-server/service-kit';
import type { JobContext } from '../context.js';
import type { Fence, JobRecord } from '../job.js';
import type { JobStorage } from '../storage/job-files.js';
import {
  type Claim,
  type ClaimOptions,
  type ClaimRequest,
  JobClaims,
  type ProgressReport,
  type RenewAnswer,
} from './claim.js';
import { type Cleanup, JobDeletion } from './delete.js';
import type { JobDialect } from './dialect.js';
import { type CancelResult, type Completion, type Failure, JobFinisher, type RetryResult } from './finish.js';
import { type AddOptions, type AddResult, JobInserter, type NewJob } from './insert.js';
import { Leases } from './leases.js';
import { PostgresJobs } from './postgres.js';
import type { JobPage, JobQueries, ListFilter, Stats } from './query.js';
import { SqliteJobs } from './sqlite.js';
import { JobUpdates } from './update.js';

/** All that services and workers do with jobs in the database. */
export interface JobRepository {
  addJob(job: NewJob, options?: AddOptions): Promise<AddResult>;
  /** All in one transaction; results in order. Concurrent `addJob` calls share transactions too. */
  addJobs(jobs: readonly NewJob[], options?: AddOptions): Promise<readonly AddResult[]>;
  getJob(jobId: string): Promise<JobRecord | undefined>;
  getJobs(jobIds: readonly string[]): Promise<ReadonlyMap<string, JobRecord>>;
  /** Highest priority first, then oldest. Also puts jobs whose lease ran out back into the queue. */
  claim(request: ClaimRequest): Promise<readonly Claim[]>;
  /** Extends leases by their length from now; answers in order. */
  renew(fences: readonly Fence[], leaseMs?: number): Promise<readonly RenewAnswer[]>;
  /** @returns which were accepted, in order */
  progress(reports: readonly ProgressReport[]): Promise<readonly boolean[]>;
  /** Commits results: attempt number, output and status at once. @returns which were accepted, in order */
  complete(completions: readonly Completion[]): Promise<readonly boolean[]>;
  /** @returns the job as it is afterwards (failed, or queued again), undefined if it was refused; in order */
  fail(failures: readonly Failure[]): Promise<readonly (JobRecord | undefined)[]>;
  cancel(jobId: string): Promise<CancelResult>;
  /** A failed job is queued again; its tries are counted from 0 again, and its quarantine is lifted. */
  retry(jobId: string, options?: AddOptions): Promise<RetryResult>;
  /** Deletes row and files. A running job loses its fence, so its worker stops. @returns false if there is no such job */
  deleteJob(jobId: string): Promise<boolean>;
  list(filter: ListFilter): Promise<JobPage>;
  counts(createdBy?: string): Promise<Readonly<Record<JobStatus, number>>>;
  stats(): Promise<Stats>;
  /** Deletes rows and files of jobs that ended before the moment, at most `most` of them. */
  cleanup(endedBefore: number, most?: number): Promise<Cleanup>;
  /** Fails the queued jobs of a task for good, for example because no worker can run it. @returns how many */
  failQueued(taskType: string, code: JobErrorCode, message: string): Promise<number>;
  /** Fails those of the jobs that are queued, for good. @returns how many */
  reject(jobIds: readonly string[], code: JobErrorCode, message: string): Promise<number>;
}

export class SqlJobRepository implements JobRepository {
  readonly leases: Leases;
  readonly #context: JobContext;
  readonly #queries: JobQueries;
  readonly #inserter: JobInserter;
  readonly #claims: JobClaims;
  readonly #finisher: JobFinisher;
  readonly #deletion: JobDeletion;

  constructor(context: JobContext, queries: JobQueries, storage: JobStorage, claiming: ClaimOptions) {
    const { database, outbox } = context;
    const writesOutbox = outbox !== undefined;
    const dialect = byDialect(database, {
      sqlite: (sqlite): JobDialect => new SqliteJobs(sqlite, writesOutbox),
      postgres: (postgres) => new PostgresJobs(postgres, writesOutbox),
    });
    const updates = new JobUpdates(context);
    this.#context = context;
    this.#queries = queries;
    this.leases = new Leases(context, updates);
    this.#inserter = new JobInserter(context, dialect);
    this.#claims = new JobClaims(context, dialect, this.leases, claiming);
    this.#finisher = new JobFinisher(context, dialect, updates, (jobId) => this.getJob(jobId));
    this.#deletion = new JobDeletion(context, updates, storage);
  }

  async addJob(job: NewJob, options?: AddOptions): Promise<AddResult> {
    const [result] = await this.#inserter.add([job], options);
    return result as AddResult;
  }

  addJobs(jobs: readonly NewJob[], options?: AddOptions): Promise<readonly AddResult[]> {
    return this.#inserter.add(jobs, options);
  }

  async getJob(jobId: string): Promise<JobRecord | undefined> {
    return (await this.getJobs([jobId])).get(jobId);
  }

  getJobs(jobIds: readonly string[]): Promise<ReadonlyMap<string, JobRecord>> {
    return this.#queries.get(jobIds);
  }

  claim(request: ClaimRequest): Promise<readonly Claim[]> {
    return this.#claims.claim(request);
  }

  renew(fences: readonly Fence[], leaseMs?: number): Promise<readonly RenewAnswer[]> {
    return this.#claims.renew(fences, leaseMs);
  }

  progress(reports: readonly ProgressReport[]): Promise<readonly boolean[]> {
    return this.#claims.progress(reports);
  }

  complete(completions: readonly Completion[]): Promise<readonly boolean[]> {
    return this.#finisher.complete(completions);
  }

  fail(failures: readonly Failure[]): Promise<readonly (JobRecord | undefined)[]> {
    return this.#finisher.fail(failures);
  }

  cancel(jobId: string): Promise<CancelResult> {
    return this.#finisher.cancel(jobId);
  }

  retry(jobId: string, options?: AddOptions): Promise<RetryResult> {
    return this.#finisher.retry(jobId, options);
  }

  failQueued(taskType: string, code: JobErrorCode, message: string): Promise<number> {
    return this.#finisher.rejectTask(taskType, code, message);
  }

  reject(jobIds: readonly string[], code: JobErrorCode, message: string): Promise<number> {
    return this.#finisher.reject(jobIds, code, message);
  }

  deleteJob(jobId: string): Promise<boolean> {
    return this.#deletion.delete(jobId);
  }

  cleanup(endedBefore: number, most?: number): Promise<Cleanup> {
    return this.#deletion.cleanup(endedBefore, most);
  }

  list(filter: ListFilter): Promise<JobPage> {
    return this.#queries.list(filter);
  }

  counts(createdBy?: string): Promise<Readonly<Record<JobStatus, number>>> {
    return this.#queries.counts(createdBy);
  }

  stats(): Promise<Stats> {
    return this.#queries.stats(this.#context.now());
  }
}
