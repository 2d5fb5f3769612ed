/**
 * What became of jobs, on its way to the database: whatever ends while a write is under way goes with the next one, and
 * a database that does not answer is asked again for as long as anybody could want the answer.
 */

import { setTimeout as pause } from 'node:timers/promises';
import type { Completion, Failure, JobRepository, ProgressReport } from '@cl-server/jobs';
import { Batcher } from '@cl-server/kit';
import type { Logger } from '@cl-server/service-kit';

const BATCHING = { maxItems: 50, collectFor: 'turn' } as const;
const RETRY_EVERY = 500;
const PROGRESS_EVERY = 200;

export interface ReportsOptions {
  readonly repository: Pick<JobRepository, 'complete' | 'fail' | 'progress'>;
  readonly logger: Logger;
  /** Milliseconds for which a write is tried. */
  readonly giveUpAfter: number;
  /** The job belongs to another by now. */
  readonly onRefused: (token: string) => void;
}

export class Reports {
  readonly #options: ReportsOptions;
  readonly #completions: Batcher<Completion, boolean>;
  readonly #failures: Batcher<Failure, boolean>;
  readonly #progress = new Map<string, ProgressReport>();
  #timer: NodeJS.Timeout | undefined;

  constructor(options: ReportsOptions) {
    this.#options = options;
    const { repository } = options;
    this.#completions = new Batcher((items) => this.#write(items, repository.complete.bind(repository)), BATCHING);
    const fail = async (items: readonly Failure[]) => (await repository.fail(items)).map(Boolean);
    this.#failures = new Batcher((items) => this.#write(items, fail), BATCHING);
  }

  complete(completion: Completion): Promise<boolean> {
    this.#progress.delete(completion.token);
    return this.#completions.add(completion);
  }

  fail(failure: Failure): Promise<boolean> {
    this.#progress.delete(failure.token);
    return this.#failures.add(failure);
  }

  /** Only the newest of each job is written, a few times a second. */
  progress(report: ProgressReport): void {
    this.#progress.set(report.token, report);
    this.#timer ??= setTimeout(() => void this.#flush(), PROGRESS_EVERY);
  }

  /** @returns for each whether it was accepted; none is where the database did not answer for too long */
  async #write<T>(
    items: readonly T[],
    write: (items: readonly T[]) => Promise<readonly boolean[]>,
  ): Promise<readonly boolean[]> {
    const { logger, giveUpAfter } = this.#options;
    const end = performance.now() + giveUpAfter;
    for (;;) {
      try {
        return await write(items);
      } catch (error) {
        logger.error({ err: error, jobs: items.length }, 'results could not be written; trying again');
        // The leases are over then: the jobs are queued again by whoever sees it.
        if (performance.now() > end) return items.map(() => false);
        await pause(RETRY_EVERY);
      }
    }
  }

  async #flush(): Promise<void> {
    this.#timer = undefined;
    const reports = [...this.#progress.values()];
    this.#progress.clear();
    if (reports.length === 0) return;
    try {
      const accepted = await this.#options.repository.progress(reports);
      for (const [index, { token }] of reports.entries()) if (accepted[index] === false) this.#options.onRefused(token);
    } catch (error) {
      this.#options.logger.warn({ err: error }, 'progress could not be written');
    }
  }
}
