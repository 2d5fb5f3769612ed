/**
 * Runs claimed jobs from the claim to their ends.
 *
 * ```
 *                                    +-- stop(timeout, cancel, lost, drain) --> stopping --+
 *                                    |                            ends, or is killed      |
 *  claimed --runner acquired--> running --the task ends, or its process dies--------------+--> ended
 *     |                                                                                        |
 *     +--no runner, or no input-------------------------------------------------------------> |
 *                                                                                              v
 *   released <--lease is dropped-- written: completed, failed, queued again, or nothing <-- finish-job.ts
 * ```
 *
 * The lease of a job is kept (leases.ts) until its end is written. Jobs of one unit share a runner: a batch is computed at
 * once, a chunk of short jobs one after the other.
 */
import type { Claim, JobStorage } from '@cl-server/jobs';
import type { Logger } from '@cl-server/service-kit';
import type { RunnerPool } from '../runners/pool.js';
import type { JobInput } from '../runners/protocol.js';
import { NEVER_BEGAN, type RunEnd, type Runner } from '../runners/runner.js';
import { Attempt } from './attempt.js';
import type { EndedAttempt, JobFinisher } from './finish-job.js';
import type { Leases } from './leases.js';
import type { Scratch } from './scratch.js';
import type { TaskDurations } from './slots.js';

export interface JobRunnerParts {
  readonly pool: Pick<RunnerPool, 'acquire'>;
  readonly storage: JobStorage;
  readonly leases: Leases;
  readonly scratch: Scratch;
  readonly finisher: JobFinisher;
  readonly durations: TaskDurations;
  /** Milliseconds between asking a task to stop and killing its process. */
  readonly graceMs: number;
  readonly logger: Logger;
}

/** Jobs that take one slot together. */
export interface Unit {
  readonly task: string;
  readonly claims: readonly Claim[];
  /** Whether the task computes them at once (a batch); otherwise they run one after the other (a chunk). */
  readonly asBatch: boolean;
}

/** Longest delay of a timer; a task that may run for longer than 24 days is not ended by one. */
const MAX_TIMER_MS = 2_147_483_647;
/** Milliseconds after which a chunk turned out not to be short: its waiting jobs go back to the queue. */
const MAX_CHUNK_MS = 500;
/** Ends of a unit are written together at this interval, because each write waits for the disk. */
const WRITE_INTERVAL_MS = 150;

export class JobRunner {
  readonly #parts: JobRunnerParts;
  /** Running jobs, each with the function that drops its lease. */
  readonly #held = new Map<Attempt, () => void>();

  constructor(parts: JobRunnerParts) {
    this.#parts = parts;
  }

  /** Stops all running jobs; each goes back to the queue. */
  drain(): void {
    for (const attempt of this.#held.keys()) attempt.stop('drain');
  }

  /**
   * Runs the jobs of one unit to their ends. Never rejects.
   * @param onFree called when the runner is free again; the ends of the jobs are still being written then
   */
  async run({ task, claims, asBatch }: Unit, onFree: () => void): Promise<void> {
    const attempts = claims.map((claim) => new Attempt(claim, asBatch && claims.length > 1));
    for (const attempt of attempts) this.#hold(attempt);
    try {
      await this.#runAll(task, attempts, asBatch, onFree);
    } catch (error) {
      this.#parts.logger.error({ err: error, task }, 'could not run jobs; they go back to the queue');
      await this.#returnAll(attempts.filter((attempt) => this.#held.has(attempt)));
    }
  }

  #hold(attempt: Attempt): void {
    const drop = this.#parts.leases.hold(attempt.fence, attempt.claim.attempt, (state) => attempt.stop(state));
    this.#held.set(attempt, drop);
  }

  #returnAll(attempts: readonly Attempt[]): Promise<void> {
    return this.#finish(attempts.map((attempt) => ({ attempt, end: NEVER_BEGAN })));
  }

  /** Writes the ends; each lease is kept until then. Never rejects. */
  async #finish(ended: readonly EndedAttempt[]): Promise<void> {
    try {
      await this.#parts.finisher.finish(ended);
    } catch (error) {
      this.#parts.logger.error({ err: error, jobs: ended.length }, 'could not save how jobs ended');
    }
    for (const { attempt } of ended) {
      this.#held.get(attempt)?.();
      this.#held.delete(attempt);
    }
  }

  async #runAll(task: string, attempts: readonly Attempt[], asBatch: boolean, onFree: () => void): Promise<void> {
    const isolated = !asBatch && attempts.some(({ claim }) => claim.job.retry_count > 0);
    const borrowed = await this.#parts.pool.acquire(task, isolated);
    if (!borrowed) return this.#returnAll(attempts);
    const ended: EndedAttempt[] = [];
    const writes: Promise<void>[] = [];
    const write = (): void => {
      if (ended.length > 0) writes.push(this.#finish(ended.splice(0)));
    };
    const writing = setInterval(write, WRITE_INTERVAL_MS);
    const isChunk = !asBatch && attempts.length > 1;
    const late = isChunk ? setTimeout(() => borrowed.runner.returnWaiting(), MAX_CHUNK_MS) : undefined;
    try {
      await this.#runOn(borrowed.runner, task, attempts, asBatch, (end) => ended.push(end));
    } finally {
      clearInterval(writing);
      clearTimeout(late);
      borrowed.release();
      onFree();
      write();
    }
    await Promise.all(writes);
  }

  /** Resolves when the runner is done with the jobs. @param onEnd called for each job at its end */
  async #runOn(
    runner: Runner,
    task: string,
    attempts: readonly Attempt[],
    asBatch: boolean,
    onEnd: (ended: EndedAttempt) => void,
  ): Promise<void> {
    const { finisher, scratch, durations } = this.#parts;
    const folders = attempts.map(({ jobId, claim }) => scratch.path(jobId, claim.attempt));
    try {
      const inputs = await Promise.all(attempts.map((attempt, index) => this.#input(attempt, folders[index] ?? '')));
      const ready: { readonly attempt: Attempt; readonly job: JobInput }[] = [];
      for (const [index, attempt] of attempts.entries()) {
        const job = inputs[index];
        if (job) ready.push({ attempt, job });
        else onEnd({ attempt, end: 'input_missing' });
      }
      if (ready.length === 0) return;
      const byId = new Map(ready.map(({ attempt }) => [attempt.jobId, attempt]));
      const run = { task, jobs: ready.map(({ job }) => job), inTurn: !asBatch };
      const ends = runner.run(run, (jobId, percent) => {
        const attempt = byId.get(jobId);
        if (attempt && attempt.stopped === undefined) finisher.progress({ ...attempt.fence, percent });
      });
      await Promise.all(
        ready.map(async ({ attempt }, index) => {
          const before = asBatch ? undefined : ends[index - 1];
          const end = await this.#follow(attempt, ends[index] ?? Promise.resolve(NEVER_BEGAN), before, runner);
          if (!asBatch && 'result' in end && end.ms !== undefined) durations.add(task, end.ms);
          onEnd({ attempt, end });
        }),
      );
    } finally {
      await Promise.all(folders.map((folder) => this.#removeScratch(folder)));
    }
  }

  async #removeScratch(folder: string): Promise<void> {
    await this.#parts.scratch.remove(folder).catch((error: unknown) => {
      this.#parts.logger.warn({ err: error }, 'could not remove a scratch folder; it stays until this worker ends');
    });
  }

  /** The message for the runner; undefined if the job's input no longer exists. */
  async #input({ claim: { job, attempt } }: Attempt, folder: string): Promise<JobInput | undefined> {
    const { storage, scratch } = this.#parts;
    const { input_path } = job.params;
    let input: string | undefined;
    // Empty if the job names its file by an absolute path.
    if (typeof input_path === 'string' && input_path !== '')
      try {
        input = await storage.localFile(job, input_path);
      } catch {
        return undefined;
      }
    const results = scratch.results(job.job_id, attempt);
    return { job_id: job.job_id, attempt, params: job.params, input, results, scratch: folder };
  }

  /** @param before the end of the job whose turn comes before this one's; this job's time begins then */
  async #follow(
    attempt: Attempt,
    end: Promise<RunEnd>,
    before: Promise<RunEnd> | undefined,
    runner: Runner,
  ): Promise<RunEnd> {
    const limit = Math.min(attempt.claim.job.timeout_ms, MAX_TIMER_MS);
    let timeout: NodeJS.Timeout | undefined;
    let hasEnded = false;
    const begin = (): void => {
      if (!hasEnded) timeout = setTimeout(() => attempt.stop('timeout'), limit);
    };
    if (before) void before.then(begin);
    else begin();
    let grace: NodeJS.Timeout | undefined;
    attempt.onStop((reason) => {
      runner.abort(attempt.jobId, reason);
      grace = setTimeout(() => runner.kill(), this.#parts.graceMs);
    });
    const result = await end;
    hasEnded = true;
    clearTimeout(timeout);
    clearTimeout(grace);
    attempt.onStop(() => undefined); // a later reason concerns only the writing; the process may have another job
    return result;
  }
}
