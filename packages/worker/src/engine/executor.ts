/** Takes claimed jobs through their runner: folders, limits of time, and at the end the verdict. */
import path from 'node:path';
import type { Claim, JobStorage } from '@cl-server/jobs';
import type { Logger } from '@cl-server/service-kit';
import type { RunnerPool } from '../runners/pool.js';
import type { JobInput } from '../runners/protocol.js';
import { NEVER_BEGAN, type RunEnd, type Runner } from '../runners/runner.js';
import { Attempt } from './attempt.js';
import type { Leases } from './leases.js';
import type { Pace } from './pace.js';
import type { Reports } from './reports.js';
import type { Scratch } from './scratch.js';
import type { Verdicts } from './verdicts.js';

export interface ExecutorParts {
  readonly pool: Pick<RunnerPool, 'acquire'>;
  readonly storage: JobStorage;
  readonly reports: Reports;
  readonly leases: Leases;
  readonly scratch: Scratch;
  readonly verdicts: Verdicts;
  readonly pace: Pace;
  /** Milliseconds between asking a task to stop and killing its process. */
  readonly graceMs: number;
  readonly logger: Logger;
}

/** Jobs that take one slot together. */
export interface Unit {
  readonly task: string;
  readonly claims: readonly Claim[];
  /** Whether the task computes them at once; else they run one after the other. */
  readonly asBatch: boolean;
}

/** Longest delay a timer takes; a task that may run for longer than 24 days is not ended by one. */
const LONGEST_TIMER = 2_147_483_647;
/** Milliseconds after which short jobs in a row turned out not to be short: the waiting ones go back to the queue. */
const ROW_LASTS = 500;
/** Milliseconds that a result waits for its neighbours at most. */
const WRITE_EVERY = 150;

export class Executor {
  readonly #parts: ExecutorParts;
  /** Jobs in hand, each with what ends its lease. */
  readonly #held = new Map<Attempt, () => void>();

  constructor(parts: ExecutorParts) {
    this.#parts = parts;
  }

  /** Stops whatever runs; each job is given back to the queue. */
  drain(): void {
    for (const attempt of this.#held.keys()) attempt.stop('drain');
  }

  /**
   * Runs the jobs of one unit to their ends. Never rejects.
   * @param onFree told when the runner has done its part; what became of the jobs is still being written then
   */
  async run({ task, claims, asBatch }: Unit, onFree: () => void): Promise<void> {
    const attempts = claims.map((claim) => new Attempt(claim, asBatch && claims.length > 1));
    for (const attempt of attempts) this.#hold(attempt);
    try {
      await this.#runAll(task, attempts, asBatch, onFree);
    } catch (error) {
      this.#parts.logger.error({ err: error, task }, 'jobs could not be run; they are given back');
      const open = attempts.filter((attempt) => this.#held.has(attempt));
      await Promise.all(open.map((attempt) => this.#settle(attempt, this.#parts.verdicts.giveBack(attempt))));
    }
  }

  #hold(attempt: Attempt): void {
    const letGo = this.#parts.leases.hold(attempt.fence, attempt.claim.attempt, (state) => attempt.stop(state));
    this.#held.set(attempt, letGo);
  }

  /** The lease is kept until the verdict is written. Never rejects. */
  async #settle(attempt: Attempt, verdict: Promise<void>): Promise<void> {
    try {
      await verdict;
    } catch (error) {
      this.#parts.logger.error({ err: error, job_id: attempt.jobId }, 'what became of a job could not be written');
    }
    this.#held.get(attempt)?.();
    this.#held.delete(attempt);
  }

  async #runAll(task: string, attempts: readonly Attempt[], asBatch: boolean, onFree: () => void): Promise<void> {
    const { pool, verdicts } = this.#parts;
    const isolated = !asBatch && attempts.some(({ claim }) => claim.job.retry_count > 0);
    const loan = await pool.acquire(task, isolated);
    if (!loan) {
      await Promise.all(attempts.map((attempt) => this.#settle(attempt, verdicts.giveBack(attempt))));
      return;
    }
    const ended: (() => Promise<void>)[] = [];
    const written: Promise<void>[] = [];
    const write = (): void => {
      for (const settle of ended.splice(0)) written.push(settle());
    };
    // Each write waits for the disk, so the results of a row go together; and nobody in it waits for a slow neighbour.
    const writing = setInterval(write, WRITE_EVERY);
    const isRow = !asBatch && attempts.length > 1;
    const late = isRow ? setTimeout(() => loan.runner.takeBack(), ROW_LASTS) : undefined;
    try {
      await this.#runOn(loan.runner, task, attempts, asBatch, (settle) => ended.push(settle));
    } finally {
      clearInterval(writing);
      clearTimeout(late);
      loan.release();
      onFree();
      write();
    }
    await Promise.all(written);
  }

  /** Resolves when the runner is done with the jobs. @param onEnd told of each what writes its verdict */
  async #runOn(
    runner: Runner,
    task: string,
    attempts: readonly Attempt[],
    asBatch: boolean,
    onEnd: (settle: () => Promise<void>) => void,
  ): Promise<void> {
    const { verdicts, scratch, pace, reports } = this.#parts;
    const folders = attempts.map(({ jobId, claim }) => scratch.place(jobId, claim.attempt));
    try {
      const jobs = await Promise.all(attempts.map((attempt, index) => this.#place(attempt, folders[index] ?? '')));
      const placed: { readonly attempt: Attempt; readonly job: JobInput }[] = [];
      for (const [index, attempt] of attempts.entries()) {
        const job = jobs[index];
        if (job) placed.push({ attempt, job });
        else onEnd(() => this.#settle(attempt, verdicts.inputGone(attempt)));
      }
      if (placed.length === 0) return;
      const byId = new Map(placed.map(({ attempt }) => [attempt.jobId, attempt]));
      const run = { task, jobs: placed.map(({ job }) => job), inTurn: !asBatch };
      const ends = runner.run(run, (jobId, percent) => {
        const attempt = byId.get(jobId);
        if (attempt && attempt.stopped === undefined) reports.progress({ ...attempt.fence, percent });
      });
      await Promise.all(
        placed.map(async ({ attempt }, index) => {
          const before = asBatch ? undefined : ends[index - 1];
          const end = await this.#follow(attempt, ends[index] ?? Promise.resolve(NEVER_BEGAN), before, runner);
          if (!asBatch && 'result' in end && end.ms !== undefined) pace.took(task, end.ms);
          onEnd(() => this.#settle(attempt, verdicts.judge(attempt, end)));
        }),
      );
    } finally {
      await Promise.all(folders.map((folder) => this.#removeScratch(folder)));
    }
  }

  async #removeScratch(folder: string): Promise<void> {
    await this.#parts.scratch.remove(folder).catch((error: unknown) => {
      this.#parts.logger.warn({ err: error }, 'a scratch folder is left until this worker ends');
    });
  }

  /** What the runner is told of the job; undefined where the input is no longer there. */
  async #place({ claim: { job, attempt } }: Attempt, scratch: string): Promise<JobInput | undefined> {
    const { storage } = this.#parts;
    const { input_path } = job.params;
    let input: string | undefined;
    // Empty where the job names its file by an absolute path.
    if (typeof input_path === 'string' && input_path !== '')
      try {
        input = await storage.resolvePath(job, input_path);
      } catch {
        return undefined;
      }
    const results = path.join(storage.root, job.job_id, 'attempts', String(attempt)); // made when a file is
    return { job_id: job.job_id, attempt, params: job.params, input, results, scratch };
  }

  /** @param before the end of the job whose turn comes before this one's: then its time begins */
  async #follow(
    attempt: Attempt,
    end: Promise<RunEnd>,
    before: Promise<RunEnd> | undefined,
    runner: Runner,
  ): Promise<RunEnd> {
    const limit = Math.min(attempt.claim.job.timeout_ms, LONGEST_TIMER);
    let timeout: NodeJS.Timeout | undefined;
    let over = false;
    const begin = (): void => {
      if (!over) timeout = setTimeout(() => attempt.stop('timeout'), limit);
    };
    if (before) void before.then(begin);
    else begin();
    let grace: NodeJS.Timeout | undefined;
    attempt.onStop((reason) => {
      runner.abort(attempt.jobId, reason);
      grace = setTimeout(() => runner.kill(), this.#parts.graceMs);
    });
    const ended = await end;
    over = true;
    clearTimeout(timeout);
    clearTimeout(grace);
    attempt.onStop(() => undefined); // what comes now is between the verdict and the fence; the process is another's
    return ended;
  }
}
