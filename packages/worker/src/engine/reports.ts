/**
 * What became of jobs, on its way to the database: whatever ends while a write is under way goes with the next one, and
 * a database that does not answer is asked again for as long as anybody could want the answer.
 */
import { setImmediate as immediate, setTimeout as pause } from 'node:timers/promises';
import type { Completion, Failure, JobRepository, ProgressReport } from '@cl-server/jobs';
import type { Logger } from '@cl-server/runtime';

const MOST_AT_ONCE = 50;
const RETRY_EVERY = 500;
const PROGRESS_EVERY = 200;

interface Waiting<T> {
  readonly item: T;
  readonly resolve: (accepted: boolean) => void;
}

/** Groups items while one call is under way. */
class Grouped<T> {
  readonly #waiting: Waiting<T>[] = [];
  #running = false;

  constructor(
    private readonly write: (items: readonly T[]) => Promise<readonly boolean[]>,
    private readonly options: { readonly logger: Logger; readonly giveUpAfter: number },
  ) {}

  put(item: T): Promise<boolean> {
    return new Promise((resolve) => {
      this.#waiting.push({ item, resolve });
      if (!this.#running) void this.#drain();
    });
  }

  async #drain(): Promise<void> {
    this.#running = true;
    // Jobs that ended in the same turn of the event loop go together from the first write on.
    await immediate();
    while (this.#waiting.length > 0) {
      const group = this.#waiting.splice(0, MOST_AT_ONCE);
      const accepted = await this.#write(group.map(({ item }) => item));
      for (const [index, { resolve }] of group.entries()) resolve(accepted[index] ?? false);
    }
    this.#running = false;
  }

  async #write(items: readonly T[]): Promise<readonly boolean[]> {
    const { logger, giveUpAfter } = this.options;
    const end = performance.now() + giveUpAfter;
    for (;;) {
      try {
        return await this.write(items);
      } catch (error) {
        logger.error({ err: error, jobs: items.length }, 'results could not be written; trying again');
        if (performance.now() > end) return []; // the leases are over: the jobs are queued again by whoever sees it
        await pause(RETRY_EVERY);
      }
    }
  }
}

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
  readonly #completions: Grouped<Completion>;
  readonly #failures: Grouped<Failure>;
  readonly #progress = new Map<string, ProgressReport>();
  #timer: NodeJS.Timeout | undefined;

  constructor(options: ReportsOptions) {
    this.#options = options;
    const { repository } = options;
    this.#completions = new Grouped((items) => repository.complete(items), options);
    this.#failures = new Grouped(async (items) => (await repository.fail(items)).map(Boolean), options);
  }

  complete(completion: Completion): Promise<boolean> {
    this.#progress.delete(completion.token);
    return this.#completions.put(completion);
  }

  fail(failure: Failure): Promise<boolean> {
    this.#progress.delete(failure.token);
    return this.#failures.put(failure);
  }

  /** Only the newest of each job is written, a few times a second. */
  progress(report: ProgressReport): void {
    this.#progress.set(report.token, report);
    this.#timer ??= setTimeout(() => void this.#flush(), PROGRESS_EVERY);
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
