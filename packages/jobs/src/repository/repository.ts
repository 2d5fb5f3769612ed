import { randomBytes } from 'node:crypto';
import type { JobErrorCode, JobStatus } from '@cl-server/contract';
import { Batcher } from '@cl-server/kit';
import { byDialect, type Database } from '@cl-server/service-kit';
import type { Committed } from '../events/committed.js';
import { type RetryPolicy, transition } from '../machine.js';
import { recordOf } from '../record.js';
import type { LocalJobStorage } from '../storage/local.js';
import type { JobRow, JobTables } from '../tables.js';
import type {
  AddOptions,
  AddResult,
  CancelResult,
  Claim,
  ClaimRequest,
  Completion,
  Failure,
  Fence,
  JobMetrics,
  JobPage,
  JobRecord,
  JobRepository,
  JobUpdate,
  ListFilter,
  NewJob,
  ProgressReport,
  RenewAnswer,
  RetryResult,
  Stats,
} from '../types.js';
import { Changes } from './changes.js';
import { forgetCrashes } from './crashes.js';
import { Failing } from './failing.js';
import { type ClaimedRow, type CompletedRow, type CompleteItem, fenceKey, type HotPaths } from './hot-paths.js';
import { Intake } from './intake.js';
import { Leases } from './leases.js';
import { limitReached } from './limit.js';
import { JobLists } from './list.js';
import { PostgresHotPaths } from './postgres.js';
import { Removal } from './removal.js';
import { SqliteHotPaths } from './sqlite.js';
import { countByStatus, queueStats } from './stats.js';

export interface RepositoryOptions {
  readonly database: Database<JobTables>;
  readonly storage: LocalJobStorage;
  /** Whether status changes go to the outbox, for a broker. */
  readonly announces: boolean;
  /** Whether retained statuses are published. */
  readonly shows: boolean;
  readonly leaseMs: number;
  readonly policy: RetryPolicy;
  readonly metrics: JobMetrics;
  readonly now: () => number;
  readonly monotonic: () => number;
  readonly random?: (() => string) | undefined;
  /** Claims look for expired leases and finished delays at most this often. */
  readonly upkeepMs: number;
  readonly committed: (changes: readonly Committed[]) => void;
}

/** Jobs in the database; see `JobRepository`. */
/** Completions of one transaction; bounds its time. */
const MAX_COMPLETIONS = 500;

export class SqlJobRepository implements JobRepository {
  readonly leases: Leases;
  readonly #options: RepositoryOptions;
  readonly #hot: HotPaths;
  readonly #changes: Changes;
  readonly #intake: Intake;
  readonly #lists: JobLists;
  readonly #removal: Removal;
  readonly #failing: Failing;
  readonly #completions: Batcher<CompleteItem, CompletedRow | undefined>;
  #lastUpkeep = Number.NEGATIVE_INFINITY;

  constructor(options: RepositoryOptions) {
    const { database, announces, shows, now, committed, storage } = options;
    this.#options = options;
    this.#hot = byDialect(database, {
      sqlite: (sqlite): HotPaths => new SqliteHotPaths(sqlite, announces),
      postgres: (postgres) => new PostgresHotPaths(postgres, announces),
    });
    this.#changes = new Changes({ database, announces, shows, now, committed });
    this.#intake = new Intake({ hot: this.#hot, kysely: database.kysely, shows, now, committed });
    this.#lists = new JobLists(database);
    this.#removal = new Removal({ database, changes: this.#changes, storage, shows, now, committed });
    this.#failing = new Failing({ ...options, changes: this.#changes });
    this.leases = new Leases({ ...options, changes: this.#changes });
    this.#completions = new Batcher(
      async (items) => {
        const done = await this.#hot.complete(items, now(), shows ? 1 : 0);
        return items.map((item) => done.get(fenceKey(item)));
      },
      { maxItems: MAX_COMPLETIONS },
    );
  }

  async addJob(job: NewJob, options?: AddOptions): Promise<AddResult> {
    const [result] = await this.#intake.add([job], options);
    return result as AddResult;
  }

  addJobs(jobs: readonly NewJob[], options?: AddOptions): Promise<readonly AddResult[]> {
    return this.#intake.add(jobs, options);
  }

  async getJob(jobId: string): Promise<JobRecord | undefined> {
    return (await this.getJobs([jobId])).get(jobId);
  }

  async getJobs(jobIds: readonly string[]): Promise<ReadonlyMap<string, JobRecord>> {
    if (jobIds.length === 0) return new Map();
    const rows = await this.#options.database.kysely
      .selectFrom('jobs')
      .selectAll()
      .where('job_id', 'in', [...jobIds])
      .execute();
    return new Map(rows.map((row) => [row.job_id, recordOf(row)]));
  }

  async claim({
    workerId,
    types,
    limit,
    minPriority = 0,
    share = 1,
    leaseMs = this.#options.leaseMs,
  }: ClaimRequest): Promise<readonly Claim[]> {
    await this.#upkeep();
    const wanted = Object.entries(types)
      .filter(([, slots]) => slots > 0)
      .map(([type, slots]) => ({ type, slots }));
    if (limit <= 0 || wanted.length === 0) return [];
    const now = this.#options.now();
    const random = this.#options.random?.() ?? randomBytes(12).toString('base64url');
    const claimed = await this.#hot.claim({
      types: wanted,
      limit,
      minPriority,
      share,
      now,
      leaseUntil: now + leaseMs,
      workerId,
      random,
    });
    this.#options.committed(claimed.map(({ row, outboxSeq }) => announcement(row, outboxSeq, now)));
    return claimed.map((taken) => this.#claimOf(taken, now + leaseMs));
  }

  #claimOf({ row }: ClaimedRow, leaseUntil: number): Claim {
    this.#options.metrics.claimed?.(row.task_type, Math.max(0, row.updated_at - row.created_at) / 1000);
    return { job: recordOf(row), token: row.token as string, attempt: row.attempt, leaseUntil };
  }

  async #upkeep(): Promise<void> {
    const now = this.#options.monotonic();
    if (now - this.#lastUpkeep < this.#options.upkeepMs) return;
    this.#lastUpkeep = now;
    await this.leases.expire();
    await this.leases.promote();
  }

  async fetchNextJob(taskTypes: readonly string[], workerId = 'worker'): Promise<Claim | undefined> {
    const types = Object.fromEntries(taskTypes.map((type) => [type, 1]));
    return (await this.claim({ workerId, types, limit: 1 }))[0];
  }

  async renew(fences: readonly Fence[], leaseMs = this.#options.leaseMs): Promise<readonly RenewAnswer[]> {
    if (fences.length === 0) return [];
    const held = await this.#hot.renew(fences, this.#options.now() + leaseMs);
    return fences.map(({ job_id, token }) => {
      const cancel = held.get(fenceKey({ job_id, token }));
      if (cancel === undefined) this.#options.metrics.fenced?.('renew');
      return { job_id, token, state: cancel === undefined ? 'lost' : cancel ? 'cancel' : 'ok' };
    });
  }

  async progress(reports: readonly ProgressReport[]): Promise<readonly boolean[]> {
    if (reports.length === 0) return [];
    const now = this.#options.now();
    const highest = new Map<string, ProgressReport>();
    for (const report of reports) {
      const percent = Math.max(clampPercent(report.percent), highest.get(fenceKey(report))?.percent ?? 0);
      highest.set(fenceKey(report), { job_id: report.job_id, token: report.token, percent });
    }
    const stored = await this.#hot.progress([...highest.values()], now);
    const changes = [...stored].map(([key, progress]) => progressed(highest.get(key)?.job_id ?? '', progress, now));
    this.#options.committed(changes);
    return reports.map((report) => this.#accepted('progress', stored.has(fenceKey(report))));
  }

  async complete(completions: readonly Completion[]): Promise<readonly boolean[]> {
    const rows = await this.#completions.addAll(
      completions.map(({ job_id, token, output, result_bytes = 0 }) => ({
        job_id,
        token,
        result_bytes,
        output: output === null ? null : JSON.stringify(output),
      })),
    );
    const now = this.#options.now();
    const done = rows.filter((row) => row !== undefined);
    for (const { task_type, started_at } of done)
      this.#options.metrics.completed?.(task_type, Math.max(0, now - (started_at ?? now)) / 1000);
    this.#options.committed(
      done.map(({ job_id, created_at, outboxSeq }) => ({
        job_id,
        event: 'completed',
        progress: 100,
        at: now,
        createdAt: created_at,
        outboxSeq,
      })),
    );
    return rows.map((row) => this.#accepted('complete', row !== undefined));
  }

  #accepted(operation: 'progress' | 'complete', accepted: boolean): boolean {
    if (!accepted) this.#options.metrics.fenced?.(operation);
    return accepted;
  }

  fail(failures: readonly Failure[]): Promise<readonly (JobRecord | undefined)[]> {
    return this.#failing.fail(failures);
  }

  async updateJob({ job_id, token }: Fence, update: JobUpdate): Promise<boolean> {
    const fence = { job_id, token };
    if (update.status === 'completed')
      return (await this.complete([{ ...fence, output: update.output ?? null }]))[0] === true;
    if (update.status === 'failed') {
      const { error_code: code = 'task_failed', error_message: message = '' } = update;
      return (await this.fail([{ ...fence, code, message }]))[0] !== undefined;
    }
    if (update.progress === undefined) return false;
    return (await this.progress([{ ...fence, percent: update.progress }]))[0] === true;
  }

  async cancel(jobId: string): Promise<CancelResult> {
    const { now, policy } = this.#options;
    const changed = await this.#changes.apply(
      (query) => query.where('job_id', '=', jobId),
      (row) => transition(row, { type: 'cancel' }, now(), policy),
    );
    const after = changed[0]?.after;
    if (after) return { outcome: after.status === 'failed' ? 'cancelled' : 'requested', job: recordOf(after) };
    const job = await this.getJob(jobId);
    return job ? { outcome: 'ended', job } : { outcome: 'missing' };
  }

  async retry(jobId: string, { maxQueued }: AddOptions = {}): Promise<RetryResult> {
    const { now, policy, database } = this.#options;
    let queued: number | undefined;
    const changed = await this.#changes.apply(
      (query) => query.where('job_id', '=', jobId),
      async (row, tx) => {
        const patch = transition(row, { type: 'retry' }, now(), policy);
        queued = patch && (await limitReached(tx, database.adapter, row.created_by, maxQueued));
        if (!patch || queued !== undefined) return undefined;
        await forgetCrashes(tx, row);
        return patch;
      },
    );
    const after = changed[0]?.after;
    if (after) return { outcome: 'queued', job: recordOf(after) };
    if (queued !== undefined) return { outcome: 'limited', queued };
    const job = await this.getJob(jobId);
    return job ? { outcome: 'not_failed', job } : { outcome: 'missing' };
  }

  deleteJob(jobId: string): Promise<boolean> {
    return this.#removal.remove(jobId);
  }

  cleanup(
    endedBefore: number,
    most?: number,
  ): Promise<{ readonly deleted_count: number; readonly freed_space: number }> {
    return this.#removal.cleanup(endedBefore, most);
  }

  list(filter: ListFilter): Promise<JobPage> {
    return this.#lists.list(filter);
  }

  counts(createdBy?: string): Promise<Readonly<Record<JobStatus, number>>> {
    return countByStatus(this.#options.database.kysely, createdBy);
  }

  stats(): Promise<Stats> {
    return queueStats(this.#options.database.kysely, this.#options.now());
  }

  async failQueued(taskType: string, code: JobErrorCode, message: string): Promise<number> {
    const { kysely } = this.#options.database;
    let failed = 0;
    for (;;) {
      const rows = await kysely
        .selectFrom('jobs')
        .select('job_id')
        .where('status', '=', 'queued')
        .where('task_type', '=', taskType)
        .limit(100)
        .execute();
      const count = await this.reject(
        rows.map(({ job_id }) => job_id),
        code,
        message,
      );
      failed += count;
      if (count === 0) return failed;
    }
  }

  /** Fails those of the jobs that are queued, for good. @returns how many */
  reject(jobIds: readonly string[], code: JobErrorCode, message: string): Promise<number> {
    return this.#failing.reject(jobIds, code, message);
  }
}

const clampPercent = (percent: number): number => (Number.isFinite(percent) ? Math.max(0, Math.floor(percent)) : 0);

const announcement = (row: JobRow, outboxSeq: number | null, at: number): Committed => ({
  job_id: row.job_id,
  event: row.status,
  progress: row.progress,
  at,
  createdAt: row.created_at,
  outboxSeq,
});

const progressed = (job_id: string, progress: number, at: number): Committed => ({
  job_id,
  event: 'processing',
  progress,
  at,
  createdAt: at,
  outboxSeq: null,
  isProgress: true,
});
