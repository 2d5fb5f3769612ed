/** Runs jobs inside a runner and reports how each ended. */
import { JOB_ERROR_CODES, type JobErrorCode } from '@cl-server/contract';
import { createTaskContext, finishMainResult, type TaskContext, TaskError } from '@cl-server/task-kit';
import type { JobInput, JobResult, RunMessage } from '../runners/protocol.js';
import { channelLogger, report } from './channel.js';
import { type RunnerTasks, unavailability } from './tasks.js';

/** A result larger than this belongs into a file of the job. */
const MAX_OUTPUT = 8_000_000;
/** Minimum time between two progress reports of a job; the result always brings the last value. */
const PROGRESS_INTERVAL_MS = 100;

/** A failure that the task foresaw, by shape: its class may be another copy of the task kit. */
function foreseen(error: unknown): { code: JobErrorCode; message: string; retryable: boolean } | undefined {
  const { name, code, message, retryable } = error as Partial<
    Record<'name' | 'code' | 'message' | 'retryable', unknown>
  >;
  const known = JOB_ERROR_CODES.find((word) => word === code);
  if (name !== 'TaskError' || known === undefined) return undefined;
  return { code: known, message: String(message), retryable: retryable === true };
}

function failureOf(error: unknown, context: TaskContext<unknown>): JobResult {
  const known = error === null || typeof error !== 'object' ? undefined : foreseen(error);
  if (known) return { ok: false, ...known };
  if (!context.signal.aborted) context.logger.error({ err: asError(error) }, 'a task failed unexpectedly');
  return { ok: false, code: 'task_failed', message: `The task failed: ${shown(error)}`, retryable: true };
}

/** Characters of a message that are looked at. */
const MAX_MESSAGE = 2_000;

/** The first line of an unforeseen message, its paths cut to their last part: clients see it. The log has it whole. */
const shown = (error: unknown): string =>
  (asError(error).message.slice(0, MAX_MESSAGE).split('\n')[0] || 'it gave no reason')
    // eslint-disable-next-line regexp/no-super-linear-move -- the message is cut before
    .replace(/(?:[A-Za-z]:)?(?:[\\/][^\s:'"`\\/]+)+[\\/]([^\s:'"`\\/]+)/g, '$1')
    .slice(0, 300);

const asError = (error: unknown): Error => (error instanceof Error ? error : new Error(String(error)));

/** The returned value. @throws TaskError if it is not an object, or too large */
function checkedOutput(task: string, output: unknown): unknown {
  if (typeof output !== 'object' || output === null || Array.isArray(output)) {
    const kind = output === null ? 'null' : Array.isArray(output) ? 'a list' : typeof output;
    throw new TaskError('task_failed', `The run function of ${task} returned ${kind}; it must return an object`);
  }
  const json = JSON.stringify(output);
  if (json.length > MAX_OUTPUT)
    throw new TaskError(
      'task_failed',
      `The output of ${task} has ${json.length} bytes of JSON, more than ${MAX_OUTPUT}: write it to a file`,
    );
  return output;
}

const returned = (job_id: string): void =>
  report({ type: 'result', job_id, result: { ok: null, reason: 'it was returned to the queue before its turn' } });

export class JobRuns {
  readonly #tasks: RunnerTasks;
  readonly #aborts = new Map<string, AbortController>();
  /** Jobs whose turn is to come. */
  readonly #waiting = new Set<string>();

  constructor(tasks: RunnerTasks) {
    this.#tasks = tasks;
  }

  abort(jobId: string, reason: string): void {
    if (this.#waiting.delete(jobId)) returned(jobId);
    else this.#aborts.get(jobId)?.abort(new Error(reason));
  }

  /** Jobs whose turn has not come do not begin. */
  returnWaiting(): void {
    for (const jobId of this.#waiting) returned(jobId);
    this.#waiting.clear();
  }

  async run({ task, jobs, inTurn }: RunMessage): Promise<void> {
    if (!inTurn) return this.#runAtOnce(task, jobs);
    for (const { job_id } of jobs) this.#waiting.add(job_id);
    for (const job of jobs) if (this.#waiting.delete(job.job_id)) await this.#runAtOnce(task, [job]);
  }

  async #runAtOnce(task: string, jobs: readonly JobInput[]): Promise<void> {
    const began = performance.now();
    await this.#tasks.ensure(task);
    const module = this.#tasks.get(task);
    if (typeof module === 'string') {
      for (const { job_id } of jobs) report({ type: 'result', job_id, result: { ok: null, reason: module } });
      return;
    }
    const contexts = jobs.map((job) => this.#context(job));
    const outcomes =
      jobs.length > 1 && module.runBatch
        ? await this.#batch(() => module.runBatch?.(contexts) ?? Promise.resolve([]), contexts)
        : await Promise.allSettled(contexts.map(async (context) => module.run(context)));
    const results = await Promise.all(
      jobs.map((job, index) => this.#resultOf(task, job, outcomes[index], contexts[index] as TaskContext<unknown>)),
    );
    const rss = process.memoryUsage.rss();
    for (const [index, { job_id }] of jobs.entries()) {
      this.#aborts.delete(job_id);
      const result = results[index] as JobResult;
      report({ type: 'result', job_id, result, ms: performance.now() - began, rss });
    }
  }

  /** A task that says at a job that it cannot run here is withdrawn, and the job goes back to the queue. */
  #failure(task: string, error: unknown, context: TaskContext<unknown>): JobResult {
    if ((error as { name?: unknown } | null)?.name !== 'TaskUnavailable') return failureOf(error, context);
    const { code, reason } = unavailability(error);
    this.#tasks.withdraw(task, code, reason);
    return { ok: null, reason };
  }

  async #batch(
    run: () => Promise<readonly PromiseSettledResult<unknown>[]>,
    contexts: readonly TaskContext<unknown>[],
  ): Promise<readonly PromiseSettledResult<unknown>[]> {
    try {
      return await run();
    } catch (reason) {
      return contexts.map(() => ({ status: 'rejected', reason }));
    }
  }

  async #resultOf(
    task: string,
    job: JobInput,
    outcome: PromiseSettledResult<unknown> | undefined,
    context: TaskContext<unknown>,
  ): Promise<JobResult> {
    try {
      if (outcome?.status !== 'fulfilled') throw outcome?.reason ?? new Error('the batch gave no result for this job');
      const output = checkedOutput(task, outcome.value);
      const definition = this.#tasks.definition(task);
      if (definition) await finishMainResult(definition, job.params, output, job.results);
      return { ok: true, output };
    } catch (error) {
      return this.#failure(task, error, context);
    }
  }

  #context(job: JobInput): TaskContext<Record<string, unknown>> {
    const abort = new AbortController();
    this.#aborts.set(job.job_id, abort);
    let reportedAt = performance.now(); // a job that ends within a moment reports only its result
    return createTaskContext({
      jobId: job.job_id,
      attempt: job.attempt,
      params: job.params,
      input: job.input,
      results: job.results,
      scratch: job.scratch,
      signal: abort.signal,
      logger: channelLogger(job.job_id),
      env: this.#tasks.env,
      onProgress: (percent) => {
        const now = performance.now();
        if (now - reportedAt < PROGRESS_INTERVAL_MS) return;
        reportedAt = now;
        report({ type: 'progress', job_id: job.job_id, percent });
      },
    });
  }
}
