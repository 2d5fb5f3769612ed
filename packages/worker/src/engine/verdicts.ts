/** From the end of a task's run to what the job's row says, and which files stay. */

import type { JobErrorCode } from '@cl-server/contract';
import type { JobRepository, JobStorage } from '@cl-server/jobs';
import { messageOf } from '@cl-server/kit';
import type { Logger } from '@cl-server/service-kit';
import type { AnyTask } from '@cl-server/task-kit';
import type { RunEnd } from '../runners/runner.js';
import type { Attempt } from './attempt.js';
import type { Reports } from './reports.js';

export interface VerdictParts {
  readonly repository: Pick<JobRepository, 'getJob'>;
  readonly storage: JobStorage;
  readonly reports: Reports;
  readonly definition: (task: string) => AnyTask | undefined;
  readonly logger: Logger;
}

interface Fault {
  readonly code: JobErrorCode;
  readonly message: string;
  readonly retryable?: boolean;
  readonly crashed?: boolean;
}

export class Verdicts {
  readonly #parts: VerdictParts;

  constructor(parts: VerdictParts) {
    this.#parts = parts;
  }

  async judge(attempt: Attempt, end: RunEnd): Promise<void> {
    const { stopped } = attempt;
    const seconds = attempt.claim.job.timeout_ms / 1000;
    if (stopped === 'lost') return this.#discard(attempt, 'its lease was lost');
    if (stopped === 'cancel') return this.#fail(attempt, { code: 'cancelled', message: 'Cancelled' });
    if ('result' in end && end.result.ok === true) return this.#commit(attempt, end.result.output);
    if (stopped === 'timeout')
      return this.#fail(attempt, {
        code: 'timeout',
        message: `The task did not end within ${seconds} seconds`,
        retryable: attempt.inCompany, // then alone, so that a slow one fails by itself
      });
    if (stopped === 'drain') return this.giveBack(attempt);
    if ('died' in end) return end.died.intended ? this.giveBack(attempt) : this.#fail(attempt, crash(end));
    const { result } = end;
    if (result.ok === null) return this.giveBack(attempt);
    if (result.ok) return this.#commit(attempt, result.output);
    return this.#fail(attempt, { code: result.code, message: result.message, retryable: result.retryable });
  }

  inputGone(attempt: Attempt): Promise<void> {
    return this.#fail(attempt, { code: 'invalid_input', message: 'The input file of the job is no longer there' });
  }

  /** Queued again at once, no try counted. */
  async giveBack(attempt: Attempt): Promise<void> {
    if (attempt.stopped === 'lost') return this.#discard(attempt, 'its lease was lost');
    const failure = { ...attempt.fence, code: 'worker_lost', message: 'Given back', released: true } as const;
    await this.#parts.reports.fail(failure);
    await this.#removeFiles(attempt);
  }

  async #commit(attempt: Attempt, output: unknown): Promise<void> {
    const { storage, reports, definition, logger } = this.#parts;
    const { job, attempt: number } = attempt.claim;
    const checked = definition(job.task_type)?.output.safeParse(output);
    if (!checked?.success) {
      const issue = checked?.error.issues[0];
      const message = `The task's output is not what it promised: ${issue?.path.join('.') ?? ''}: ${issue?.message ?? ''}`;
      return this.#fail(attempt, { code: 'task_failed', message });
    }
    let result_bytes: number;
    try {
      result_bytes = await storage.seal(job.job_id, number);
    } catch (error) {
      if ((error as { code?: unknown }).code === 'result_refused')
        return this.#fail(attempt, { code: 'task_failed', message: messageOf(error) });
      logger.error({ err: error, job_id: job.job_id }, 'results could not be stored');
      return this.#fail(attempt, { code: 'task_failed', message: 'The results could not be stored', retryable: true });
    }
    const result = checked.data as Record<string, unknown>;
    const accepted = await reports.complete({ ...attempt.fence, output: result, result_bytes });
    if (!accepted) await this.#discard(attempt, 'its result came too late');
  }

  async #fail(attempt: Attempt, fault: Fault): Promise<void> {
    const { logger, reports } = this.#parts;
    const level = fault.crashed ? 'warn' : 'info';
    logger[level]({ job_id: attempt.jobId, task: attempt.claim.job.task_type, ...fault }, 'job failed');
    if (await reports.fail({ ...attempt.fence, ...fault })) await this.#removeFiles(attempt);
    else await this.#discard(attempt, 'its failure came too late');
  }

  /** The job is another's, ended, or gone: whatever this attempt wrote goes, unless it was this one that was committed. */
  async #discard(attempt: Attempt, why: string): Promise<void> {
    const { repository, storage, logger } = this.#parts;
    logger.warn({ job_id: attempt.jobId, attempt: attempt.claim.attempt }, `an attempt is given up: ${why}`);
    try {
      const job = await repository.getJob(attempt.jobId);
      if (!job) await storage.remove(attempt.jobId);
      else if (job.committed_attempt !== attempt.claim.attempt) await this.#removeFiles(attempt);
    } catch (error) {
      logger.warn(
        { job_id: attempt.jobId, reason: messageOf(error) },
        'files of an attempt are left to the reconciler',
      );
    }
  }

  async #removeFiles(attempt: Attempt): Promise<void> {
    const { storage, logger } = this.#parts;
    await storage.removeAttempt(attempt.jobId, attempt.claim.attempt).catch((error: unknown) => {
      logger.warn(
        { job_id: attempt.jobId, reason: messageOf(error) },
        'files of an attempt are left to the reconciler',
      );
    });
  }
}

/** Among several jobs in one process nobody knows whose fault it was: each is tried again, alone. */
const crash = (end: Extract<RunEnd, { died: unknown }>): Fault => ({
  code: 'task_crashed',
  message: `The task's process ended: ${end.died.reason}`,
  retryable: true,
  crashed: end.alone,
});
