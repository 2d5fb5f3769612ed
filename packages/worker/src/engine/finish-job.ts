/**
 * From the end of a task's run to what the job's row says and which files stay. Jobs that end together are written
 * together; the repository joins what several slots write at the same time. A database that does not answer is tried
 * again for as long as the answer can matter.
 *
 * ```
 *  ended --outcomeOf--> complete --results delivered--> accepted: the job is completed
 *          |                     |                  \-> refused: it was too late, the attempt's files are removed
 *          |                     \--results refused, or not stored--> fail
 *          +----------> fail ------> accepted: failed or queued again; refused: it was too late
 *          +----------> release ---> queued again, no try counted
 *          +----------> nothing ---> the lease was lost
 * ```
 * The results of an attempt that is not complete never leave this machine: they are removed before its end is written.
 */
import { setTimeout as pause } from 'node:timers/promises';
import type { JobErrorCode } from '@cl-server/contract';
import type { Completion, Failure, JobRepository, JobStorage, ProgressReport } from '@cl-server/jobs';
import { errorCode, messageOf } from '@cl-server/kit';
import type { Logger } from '@cl-server/service-kit';
import { type AnyTask, describeIssue } from '@cl-server/task-kit';
import type { RunEnd } from '../runners/runner.js';
import type { Attempt } from './attempt.js';
import type { Scratch } from './scratch.js';

export interface JobFinisherParts {
  readonly repository: Pick<JobRepository, 'getJob' | 'complete' | 'fail' | 'progress'>;
  readonly storage: JobStorage;
  readonly scratch: Pick<Scratch, 'results' | 'remove'>;
  readonly definition: (task: string) => AnyTask | undefined;
  readonly logger: Logger;
  /** Milliseconds for which a write is tried. */
  readonly giveUpAfterMs: number;
  /** Called if the job belongs to another attempt by now. */
  readonly onRefused: (token: string) => void;
}

export interface EndedAttempt {
  readonly attempt: Attempt;
  readonly end: RunEnd | 'input_missing';
}

interface Fault {
  readonly code: JobErrorCode;
  readonly message: string;
  readonly retryable?: boolean;
  readonly crashed?: boolean;
}

export type JobOutcome =
  | { readonly write: 'complete'; readonly output: Readonly<Record<string, unknown>> }
  | { readonly write: 'fail'; readonly fault: Fault }
  | { readonly write: 'release' }
  | { readonly write: 'nothing'; readonly reason: string };

const RETRY_INTERVAL_MS = 500;
const PROGRESS_INTERVAL_MS = 200;

const failed = (code: JobErrorCode, message: string, more: Partial<Fault> = {}): JobOutcome => ({
  write: 'fail',
  fault: { code, message, ...more },
});
const RELEASE: JobOutcome = { write: 'release' };

/** The record of an attempt before its results are delivered. */
function outcomeOf({ attempt, end }: EndedAttempt, definition: AnyTask | undefined): JobOutcome {
  const { stopped } = attempt;
  if (stopped === 'lost') return { write: 'nothing', reason: 'its lease was lost' };
  if (stopped === 'cancel') return failed('cancelled', 'Cancelled');
  if (end === 'input_missing') return failed('invalid_input', 'The input file of the job is no longer there');
  if ('result' in end && end.result.ok === true) return completed(end.result.output, definition);
  if (stopped === 'timeout') {
    const seconds = attempt.claim.job.timeout_ms / 1000;
    // A job of a batch is tried again alone, so that a slow one fails by itself.
    return failed('timeout', `The task did not end within ${seconds} seconds`, { retryable: attempt.inBatch });
  }
  if (stopped === 'drain') return RELEASE;
  if ('died' in end)
    return end.died.intended
      ? RELEASE
      : // Among several jobs in one process it is not known which one ended it: each is tried again, alone.
        failed('task_crashed', `The task's process ended: ${end.died.reason}`, {
          retryable: true,
          crashed: end.alone,
        });
  const { result } = end;
  if (result.ok === null) return RELEASE;
  if (result.ok) return completed(result.output, definition);
  return failed(result.code, result.message, { retryable: result.retryable });
}

function completed(output: unknown, definition: AnyTask | undefined): JobOutcome {
  const checked = definition?.output.safeParse(output);
  if (checked?.success) return { write: 'complete', output: checked.data as Record<string, unknown> };
  const why = checked ? describeIssue(checked.error) : 'the worker no longer has this task';
  return failed('task_failed', `The output of the task does not match its output schema: ${why}`);
}

export class JobFinisher {
  readonly #parts: JobFinisherParts;
  readonly #progress = new Map<string, ProgressReport>();
  #timer: NodeJS.Timeout | undefined;

  constructor(parts: JobFinisherParts) {
    this.#parts = parts;
  }

  /** Writes how attempts ended. */
  async finish(ended: readonly EndedAttempt[]): Promise<void> {
    const { definition } = this.#parts;
    for (const { attempt } of ended) this.#progress.delete(attempt.fence.token);
    const outcomes = await Promise.all(
      ended.map(async (end): Promise<Finishing> => {
        const outcome = outcomeOf(end, definition(end.attempt.claim.job.task_type));
        if (outcome.write === 'complete') return this.#deliver(end.attempt, outcome);
        await this.#removeResults(end.attempt);
        return { attempt: end.attempt, outcome };
      }),
    );
    await Promise.all([
      this.#completeAll(outcomes.filter(({ completion }) => completion !== undefined)),
      this.#failAll(outcomes.filter(({ outcome: { write } }) => write === 'fail' || write === 'release')),
    ]);
    for (const { attempt, outcome } of outcomes)
      if (outcome.write === 'nothing') this.#logDiscarded(attempt, outcome.reason);
  }

  /** Only the newest progress of each job is written, a few times a second. */
  progress(report: ProgressReport): void {
    this.#progress.set(report.token, report);
    this.#timer ??= setTimeout(() => void this.#writeProgress(), PROGRESS_INTERVAL_MS);
  }

  async #deliver(attempt: Attempt, outcome: JobOutcome & { readonly write: 'complete' }): Promise<Finishing> {
    const { storage, scratch, logger } = this.#parts;
    const { jobId, claim } = attempt;
    try {
      const result_bytes = await storage.deliver(jobId, claim.attempt, scratch.results(jobId, claim.attempt));
      return { attempt, outcome, completion: { ...attempt.fence, output: outcome.output, result_bytes } };
    } catch (error) {
      await this.#removeResults(attempt);
      if (errorCode(error) === 'result_refused') return { attempt, outcome: failed('task_failed', messageOf(error)) };
      logger.error({ err: error, job_id: attempt.jobId }, 'could not store results');
      return { attempt, outcome: failed('task_failed', 'The results could not be stored', { retryable: true }) };
    }
  }

  async #completeAll(finishing: readonly Finishing[]): Promise<void> {
    const completions = finishing.flatMap(({ completion }) => completion ?? []);
    const accepted = await this.#write(completions, (items) => this.#parts.repository.complete(items));
    await Promise.all(finishing.map(({ attempt }, index) => (accepted[index] ? undefined : this.#discard(attempt))));
  }

  async #failAll(finishing: readonly Finishing[]): Promise<void> {
    const { repository } = this.#parts;
    const failures = finishing.map(({ attempt, outcome }) => this.#failureOf(attempt, outcome));
    const accepted = await this.#write(failures, async (items) => (await repository.fail(items)).map(Boolean));
    for (const [index, { attempt, outcome }] of finishing.entries())
      if (!accepted[index] && outcome.write !== 'release') this.#logDiscarded(attempt, 'its failure came too late');
  }

  #failureOf(attempt: Attempt, outcome: JobOutcome): Failure {
    if (outcome.write !== 'fail')
      return { ...attempt.fence, code: 'worker_lost', message: 'Returned to the queue', released: true };
    const { fault } = outcome;
    const level = fault.crashed ? 'warn' : 'info';
    this.#parts.logger[level]({ job_id: attempt.jobId, task: attempt.claim.job.task_type, ...fault }, 'job failed');
    return { ...attempt.fence, ...fault };
  }

  /** @returns for each whether it was accepted; none is if the database did not answer for too long */
  async #write<T>(
    items: readonly T[],
    write: (items: readonly T[]) => Promise<readonly boolean[]>,
  ): Promise<readonly boolean[]> {
    const { logger, giveUpAfterMs } = this.#parts;
    if (items.length === 0) return [];
    const end = performance.now() + giveUpAfterMs;
    for (;;) {
      try {
        return await write(items);
      } catch (error) {
        logger.error({ err: error, jobs: items.length }, 'could not save results; trying again');
        // The leases have run out by then, and the jobs are queued again by any process that notices.
        if (performance.now() > end) return items.map(() => false);
        await pause(RETRY_INTERVAL_MS);
      }
    }
  }

  async #writeProgress(): Promise<void> {
    this.#timer = undefined;
    const reports = [...this.#progress.values()];
    this.#progress.clear();
    if (reports.length === 0) return;
    try {
      const accepted = await this.#parts.repository.progress(reports);
      for (const [index, { token }] of reports.entries()) if (accepted[index] === false) this.#parts.onRefused(token);
    } catch (error) {
      this.#parts.logger.warn({ err: error }, 'could not write progress');
    }
  }

  /** The job belongs to another attempt, has ended or was deleted: removes what was delivered unless it is the job's result. */
  async #discard(attempt: Attempt): Promise<void> {
    const { repository, storage } = this.#parts;
    const { jobId, claim } = attempt;
    this.#logDiscarded(attempt, 'its result came too late');
    try {
      const job = await repository.getJob(jobId);
      if (!job) await storage.remove(jobId);
      else if (job.committed_attempt !== claim.attempt) await storage.removeAttempt(jobId, claim.attempt);
    } catch (error) {
      this.#parts.logger.warn(
        { job_id: jobId, reason: messageOf(error) },
        'could not remove the files of an attempt; the reconciler will',
      );
    }
  }

  #logDiscarded({ jobId, claim }: Attempt, why: string): void {
    this.#parts.logger.warn({ job_id: jobId, attempt: claim.attempt }, `an attempt was discarded: ${why}`);
  }

  /** Removes the results of an attempt that are not delivered. */
  async #removeResults({ jobId, claim }: Attempt): Promise<void> {
    const { scratch, logger } = this.#parts;
    await scratch.remove(scratch.results(jobId, claim.attempt)).catch((error: unknown) => {
      logger.warn({ err: error, job_id: jobId }, 'could not remove results; they stay until this worker ends');
    });
  }
}

/** An attempt on its way into the database; with a completion once its results are delivered. */
interface Finishing {
  readonly attempt: Attempt;
  readonly outcome: JobOutcome;
  readonly completion?: Completion;
}
