/**
 * How the attempts of jobs end: completed with results, failed (for good, or to be tried again, by the crash rule too),
 * given back, cancelled; and how a failed job starts again. This is the only place where ends are batched: completions
 * and failures that arrive while a transaction runs go into the next one together.
 */
import type { JobErrorCode } from '@cl-server/contract';
import { Batcher } from '@cl-server/kit';
import type { JobContext } from '../context.js';
import { type Fence, type JobRecord, recordOf } from '../job.js';
import { CANCELLED_MESSAGE, holds, type JobPatch, transition } from '../machine.js';
import type { JobRow } from '../tables.js';
import { CRASHES_TO_QUARANTINE, countCrash, deleteCrashes, QUARANTINE } from './crashes.js';
import { type CompletedRow, type CompleteItem, fenceKey, type JobDialect } from './dialect.js';
import { type AddOptions, limitReached } from './insert.js';
import type { JobUpdates, Tx } from './update.js';

export interface Completion extends Fence {
  /** `task_output`; null is SQL NULL. */
  readonly output: Readonly<Record<string, unknown>> | null;
  /** Size of the sealed results; default 0. */
  readonly result_bytes?: number;
}

export interface Failure extends Fence {
  readonly code: JobErrorCode;
  /** Shown to clients: a sentence without server paths. */
  readonly message: string;
  /** Whether the job is queued again, with a delay, while tries are left; default false. */
  readonly retryable?: boolean;
  /** Whether the task's process died on it: counted per task and input, quarantined at the second time. Implies retryable. */
  readonly crashed?: boolean;
  /** Whether it is given back unharmed (shutdown): queued again at once, no try counted. Code and message are not stored. */
  readonly released?: boolean;
}

export type CancelResult =
  /** It ended now. */
  | { readonly outcome: 'cancelled'; readonly job: JobRecord }
  /** Its worker was asked to stop. */
  | { readonly outcome: 'requested'; readonly job: JobRecord }
  | { readonly outcome: 'ended'; readonly job: JobRecord }
  | { readonly outcome: 'missing' };

export type RetryResult =
  | { readonly outcome: 'queued'; readonly job: JobRecord }
  | { readonly outcome: 'not_failed'; readonly job: JobRecord }
  | { readonly outcome: 'limited'; readonly queued: number }
  | { readonly outcome: 'missing' };

/** Completions of one transaction; bounds its time. */
const MAX_COMPLETIONS = 500;
const MAX_FAILURES = 50;

/** PostgreSQL's text holds no NUL. */
const storable = (text: string): string => text.replaceAll('\0', '');

export class JobFinisher {
  readonly #context: JobContext;
  readonly #updates: JobUpdates;
  readonly #read: (jobId: string) => Promise<JobRecord | undefined>;
  readonly #completions: Batcher<CompleteItem, CompletedRow | undefined>;
  readonly #failures: Batcher<Failure, JobRecord | undefined>;

  constructor(
    context: JobContext,
    dialect: JobDialect,
    updates: JobUpdates,
    read: (jobId: string) => Promise<JobRecord | undefined>,
  ) {
    this.#context = context;
    this.#updates = updates;
    this.#read = read;
    this.#completions = new Batcher(
      async (items) => {
        const done = await dialect.complete(items, context.now(), context.publishesStatus ? 1 : 0);
        return items.map((item) => done.get(fenceKey(item)));
      },
      { maxItems: MAX_COMPLETIONS, collectFor: 'turn' },
    );
    this.#failures = new Batcher((failures) => this.#failAll(failures), { maxItems: MAX_FAILURES, collectFor: 'turn' });
  }

  async complete(completions: readonly Completion[]): Promise<readonly boolean[]> {
    const { metrics, now: clock, publish } = this.#context;
    const rows = await this.#completions.addAll(
      completions.map(({ job_id, token, output, result_bytes = 0 }) => ({
        job_id,
        token,
        result_bytes,
        output: output === null ? null : JSON.stringify(output),
      })),
    );
    const now = clock();
    const done = rows.filter((row) => row !== undefined);
    for (const { task_type, started_at } of done)
      metrics.completed?.(task_type, Math.max(0, now - (started_at ?? now)) / 1000);
    publish(
      done.map(({ job_id, created_at, outboxSeq }) => ({
        job_id,
        event: 'completed',
        progress: 100,
        at: now,
        createdAt: created_at,
        outboxSeq,
      })),
    );
    return rows.map((row) => {
      if (row === undefined) metrics.fenced?.('complete');
      return row !== undefined;
    });
  }

  fail(failures: readonly Failure[]): Promise<readonly (JobRecord | undefined)[]> {
    return this.#failures.addAll(failures);
  }

  async #failAll(failures: readonly Failure[]): Promise<readonly (JobRecord | undefined)[]> {
    const answers = new Map<Failure, JobRecord>();
    const changed = await this.#updates.apply(
      (query) =>
        query.where(
          'job_id',
          'in',
          failures.map(({ job_id }) => job_id),
        ),
      async (row, tx) => {
        const failure = failures.find(({ job_id, token }) => job_id === row.job_id && holds(row, token));
        return failure && this.#failedPatch(row, failure, tx);
      },
    );
    for (const { before, after } of changed) {
      const failure = failures.find(({ job_id, token }) => job_id === before.job_id && token === before.token);
      if (!failure) continue;
      answers.set(failure, recordOf(after));
      this.#countFailure(before, after, failure.code);
    }
    return failures.map((failure) => {
      if (!answers.has(failure)) this.#context.metrics.fenced?.('fail');
      return answers.get(failure);
    });
  }

  async #failedPatch(row: JobRow, failure: Failure, tx: Tx): Promise<JobPatch | undefined> {
    const { now, retryPolicy } = this.#context;
    if (failure.released) return transition(row, { type: 'release' }, now(), retryPolicy);
    const { code, crashed = false, retryable = crashed } = failure;
    if (crashed && (await countCrash(tx, row, now())) >= CRASHES_TO_QUARANTINE)
      return transition(row, { type: 'fail', ...QUARANTINE, retryable: false }, now(), retryPolicy);
    const message = storable(failure.message) || (code === 'cancelled' ? CANCELLED_MESSAGE : 'The task failed');
    return transition(row, { type: 'fail', code, message, retryable: retryable || crashed }, now(), retryPolicy);
  }

  #countFailure(before: JobRow, after: JobRow, code: JobErrorCode | undefined): void {
    const { metrics, now } = this.#context;
    const seconds = Math.max(0, now() - (before.started_at ?? now())) / 1000;
    if (after.status === 'failed') metrics.failed?.(after.task_type, after.error_code ?? 'task_failed', seconds);
    else if (after.retry_count > before.retry_count) metrics.retried?.(after.task_type, code ?? 'task_failed');
  }

  /** Fails those of the jobs that are queued, for good. @returns how many */
  async reject(jobIds: readonly string[], code: JobErrorCode, message: string): Promise<number> {
    if (jobIds.length === 0) return 0;
    const { now, retryPolicy } = this.#context;
    const changed = await this.#updates.apply(
      (query) => query.where('job_id', 'in', [...jobIds]),
      (row) => transition(row, { type: 'reject', code, message: storable(message) }, now(), retryPolicy),
    );
    for (const { before, after } of changed) this.#countFailure(before, after, code);
    return changed.length;
  }

  /** Fails all queued jobs of a task, for good. @returns how many */
  async rejectTask(taskType: string, code: JobErrorCode, message: string): Promise<number> {
    const { kysely } = this.#context.database;
    let failed = 0;
    for (;;) {
      const rows = await kysely
        .selectFrom('jobs')
        .select('job_id')
        .where('status', '=', 'queued')
        .where('task_type', '=', taskType)
        .limit(100)
        .execute();
      const ids = rows.map(({ job_id }) => job_id);
      const count = await this.reject(ids, code, message);
      failed += count;
      if (count === 0) return failed;
    }
  }

  async cancel(jobId: string): Promise<CancelResult> {
    const { now, retryPolicy } = this.#context;
    const changed = await this.#updates.apply(
      (query) => query.where('job_id', '=', jobId),
      (row) => transition(row, { type: 'cancel' }, now(), retryPolicy),
    );
    const after = changed[0]?.after;
    if (after) return { outcome: after.status === 'failed' ? 'cancelled' : 'requested', job: recordOf(after) };
    const job = await this.#read(jobId);
    return job ? { outcome: 'ended', job } : { outcome: 'missing' };
  }

  async retry(jobId: string, { maxQueued }: AddOptions = {}): Promise<RetryResult> {
    const { now, retryPolicy, database } = this.#context;
    let queued: number | undefined;
    const changed = await this.#updates.apply(
      (query) => query.where('job_id', '=', jobId),
      async (row, tx) => {
        const patch = transition(row, { type: 'retry' }, now(), retryPolicy);
        queued = patch && (await limitReached(tx, database.adapter, row.created_by, maxQueued));
        if (!patch || queued !== undefined) return undefined;
        await deleteCrashes(tx, row);
        return patch;
      },
    );
    const after = changed[0]?.after;
    if (after) return { outcome: 'queued', job: recordOf(after) };
    if (queued !== undefined) return { outcome: 'limited', queued };
    const job = await this.#read(jobId);
    return job ? { outcome: 'not_failed', job } : { outcome: 'missing' };
  }
}
