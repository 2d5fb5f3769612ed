import type { JobErrorCode } from '@cl-server/contract';
import { CANCELLED_MESSAGE, holds, type JobPatch, type RetryPolicy, transition } from '../machine.js';
import { recordOf } from '../record.js';
import type { JobRow } from '../tables.js';
import type { Failure, JobMetrics, JobRecord } from '../types.js';
import type { Changes, Tx } from './changes.js';
import { CRASHES_TO_QUARANTINE, countCrash, QUARANTINE } from './crashes.js';

export interface FailingOptions {
  readonly changes: Changes;
  readonly policy: RetryPolicy;
  readonly metrics: JobMetrics;
  readonly now: () => number;
}

/** PostgreSQL's text holds no NUL. */
const storable = (text: string): string => text.replaceAll('\0', '');

/** Jobs that did not work out: tried again, given back, or failed for good. */
export class Failing {
  readonly #options: FailingOptions;

  constructor(options: FailingOptions) {
    this.#options = options;
  }

  async fail(failures: readonly Failure[]): Promise<readonly (JobRecord | undefined)[]> {
    if (failures.length === 0) return [];
    const answers = new Map<Failure, JobRecord>();
    const changed = await this.#options.changes.apply(
      (query) =>
        query.where(
          'job_id',
          'in',
          failures.map(({ job_id }) => job_id),
        ),
      async (row, tx) => {
        const failure = failures.find(({ job_id, token }) => job_id === row.job_id && holds(row, token));
        return failure && this.#judge(row, failure, tx);
      },
    );
    for (const { before, after } of changed) {
      const failure = failures.find(({ job_id, token }) => job_id === before.job_id && token === before.token);
      if (!failure) continue;
      answers.set(failure, recordOf(after));
      this.#countFailure(before, after, failure.code);
    }
    return failures.map((failure) => {
      if (!answers.has(failure)) this.#options.metrics.fenced?.('fail');
      return answers.get(failure);
    });
  }

  async #judge(row: JobRow, failure: Failure, tx: Tx): Promise<JobPatch | undefined> {
    const { now, policy } = this.#options;
    if (failure.released) return transition(row, { type: 'release' }, now(), policy);
    const { code, crashed = false, retryable = crashed } = failure;
    if (crashed && (await countCrash(tx, row, now())) >= CRASHES_TO_QUARANTINE)
      return transition(row, { type: 'fail', ...QUARANTINE, retryable: false }, now(), policy);
    const message = storable(failure.message) || (code === 'cancelled' ? CANCELLED_MESSAGE : 'The task failed');
    return transition(row, { type: 'fail', code, message, retryable: retryable || crashed }, now(), policy);
  }

  #countFailure(before: JobRow, after: JobRow, code: JobErrorCode | undefined): void {
    const { metrics, now } = this.#options;
    const seconds = Math.max(0, now() - (before.started_at ?? now())) / 1000;
    if (after.status === 'failed') metrics.failed?.(after.task_type, after.error_code ?? 'task_failed', seconds);
    else if (after.retry_count > before.retry_count) metrics.retried?.(after.task_type, code ?? 'task_failed');
  }

  /** Fails those of the jobs that are queued, for good. @returns how many */
  async reject(jobIds: readonly string[], code: JobErrorCode, message: string): Promise<number> {
    if (jobIds.length === 0) return 0;
    const { now, policy } = this.#options;
    const changed = await this.#options.changes.apply(
      (query) => query.where('job_id', 'in', [...jobIds]),
      (row) => transition(row, { type: 'reject', code, message: storable(message) }, now(), policy),
    );
    for (const { before, after } of changed) this.#countFailure(before, after, code);
    return changed.length;
  }
}
