/** Takes claimed jobs through their runner: folders, limits of time, and at the end the verdict. */
import path from 'node:path';
import type { Claim, JobStorage } from '@cl-server/jobs';
import type { Logger } from '@cl-server/runtime';
import type { RunnerPool } from '../runners/pool.js';
import type { JobInput } from '../runners/protocol.js';
import type { RunEnd, Runner } from '../runners/runner.js';
import { Attempt } from './attempt.js';
import type { Leases } from './leases.js';
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
  /** Milliseconds between asking a task to stop and killing its process. */
  readonly graceMs: number;
  readonly logger: Logger;
}

/** Longest delay a timer takes; a task that may run for longer than 24 days is not ended by one. */
const LONGEST_TIMER = 2_147_483_647;

export class Executor {
  readonly #parts: ExecutorParts;
  readonly #attempts = new Set<Attempt>();

  constructor(parts: ExecutorParts) {
    this.#parts = parts;
  }

  /** Stops whatever runs; each job is given back to the queue. */
  drain(): void {
    for (const attempt of this.#attempts) attempt.stop('drain');
  }

  /** Runs the jobs of one unit, all of one task, to their ends. Never rejects. */
  async run(task: string, claims: readonly Claim[]): Promise<void> {
    const attempts = claims.map((claim) => new Attempt(claim));
    const release = attempts.map((attempt) => this.#hold(attempt));
    try {
      await this.#runAll(task, attempts);
    } catch (error) {
      this.#parts.logger.error({ err: error, task }, 'jobs could not be run; they are given back');
      await Promise.all(attempts.map((attempt) => this.#parts.verdicts.giveBack(attempt)));
    } finally {
      for (const letGo of release) letGo();
    }
  }

  #hold(attempt: Attempt): () => void {
    this.#attempts.add(attempt);
    const letGo = this.#parts.leases.hold(attempt.fence, attempt.claim.attempt, (state) => attempt.stop(state));
    return () => {
      letGo();
      this.#attempts.delete(attempt);
    };
  }

  async #runAll(task: string, attempts: readonly Attempt[]): Promise<void> {
    const { pool, verdicts, scratch } = this.#parts;
    const isolated = attempts.length === 1 && (attempts[0]?.claim.job.retry_count ?? 0) > 0;
    const loan = await pool.acquire(task, isolated);
    if (!loan) {
      await Promise.all(attempts.map((attempt) => verdicts.giveBack(attempt)));
      return;
    }
    const folders: string[] = [];
    try {
      const placed: { readonly attempt: Attempt; readonly job: JobInput }[] = [];
      for (const attempt of attempts) {
        const folder = await scratch.make(attempt.jobId, attempt.claim.attempt);
        folders.push(folder);
        const job = await this.#place(attempt, folder);
        if (job) placed.push({ attempt, job });
        else await verdicts.inputGone(attempt);
      }
      if (placed.length === 0) return;
      const ends = loan.runner.run({ task, jobs: placed.map(({ job }) => job) }, (jobId, percent) => {
        const attempt = placed.find((candidate) => candidate.attempt.jobId === jobId)?.attempt;
        if (attempt && attempt.stopped === undefined) this.#parts.reports.progress({ ...attempt.fence, percent });
      });
      await Promise.all(placed.map(({ attempt }, index) => this.#follow(attempt, ends[index], loan.runner)));
    } finally {
      loan.release();
      await Promise.all(folders.map((folder) => scratch.remove(folder)));
    }
  }

  /** What the runner is told of the job; undefined where the input is no longer there. */
  async #place({ claim: { job, attempt } }: Attempt, scratch: string): Promise<JobInput | undefined> {
    const { storage } = this.#parts;
    const { input_path } = job.params;
    let input: string | undefined;
    if (typeof input_path === 'string')
      try {
        input = await storage.resolvePath(job, input_path);
      } catch {
        return undefined;
      }
    const results = path.join(storage.root, job.job_id, 'attempts', String(attempt)); // made when a file is
    return { job_id: job.job_id, attempt, params: job.params, input, results, scratch };
  }

  async #follow(attempt: Attempt, end: Promise<RunEnd> | undefined, runner: Runner): Promise<void> {
    const { timeout_ms } = attempt.claim.job;
    const timeout = setTimeout(() => attempt.stop('timeout'), Math.min(timeout_ms, LONGEST_TIMER));
    let grace: NodeJS.Timeout | undefined;
    attempt.onStop((reason) => {
      runner.abort(attempt.jobId, reason);
      grace = setTimeout(() => runner.kill(), this.#parts.graceMs);
    });
    const ended = await end;
    clearTimeout(timeout);
    clearTimeout(grace);
    attempt.onStop(() => undefined); // what comes now is between the verdict and the fence; the process is another's
    if (ended) await this.#parts.verdicts.judge(attempt, ended);
  }
}
