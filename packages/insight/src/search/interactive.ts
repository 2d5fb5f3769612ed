/**
 * Vectors that a user waits for: a job at the highest priority, with a short time limit. The store loads no model itself.
 */

import { isTerminal, PRIORITY } from '@cl-server/contract';
import type { CreationRequest, JobCreation } from '@cl-server/job-routes';
import type { JobEngine, JobRecord } from '@cl-server/jobs';
import { HttpError } from '@cl-server/service-kit';
import { type AnyTask, parseParams } from '@cl-server/task-kit';
import { missingModels } from '../missing-models.js';
import { INSIGHT_OWNER } from '../owner.js';

export interface InteractiveJobs {
  /**
   * Runs a job to its end and calls `read` with it; the job is deleted afterwards.
   * @throws HttpError 503 if it does not end in time, or cannot run now
   */
  run<T>(request: InteractiveRequest, read: (job: JobRecord) => Promise<T>): Promise<T>;
}

export interface InteractiveRequest {
  readonly taskType: string;
  readonly params: Readonly<Record<string, unknown>>;
  readonly input?: CreationRequest['input'];
  /** Milliseconds. */
  readonly within: number;
}

const RETRY_AFTER = '2';
/** Clients wait for an admin only as long as they want to: the SDK does not retry after so long a time. */
const RETRY_AFTER_MODEL = '60';
/** Maximum number of searches that wait for a model. If reading is public, anyone may search, and must not fill the queue. */
const MAX_RUNNING = 16;

const unavailable = (detail: string): HttpError =>
  new HttpError(503, detail, { headers: { 'retry-after': RETRY_AFTER } });

export function interactiveJobs(
  jobs: Pick<JobEngine, 'repository' | 'events'>,
  creation: Pick<JobCreation, 'create'>,
  taskOf: (type: string) => AnyTask | undefined,
): InteractiveJobs {
  let asking = 0;

  const ended = async (jobId: string, within: number): Promise<JobRecord | undefined> => {
    const signal = AbortSignal.timeout(within);
    try {
      for await (const job of jobs.events.watch(jobId, { signal })) if (isTerminal(job.status)) return job;
    } catch (error) {
      if (!signal.aborted) throw error;
    }
    return undefined;
  };

  const ask = async <T>(
    task: AnyTask,
    params: Readonly<Record<string, unknown>>,
    { input, within }: Pick<InteractiveRequest, 'input' | 'within'>,
    read: (job: JobRecord) => Promise<T>,
  ): Promise<T> => {
    const { job_id } = await creation.create({
      task,
      params,
      priority: PRIORITY.interactive,
      input,
      owner: INSIGHT_OWNER,
      idempotencyKey: undefined,
    });
    try {
      const job = await ended(job_id, within);
      if (!job) throw unavailable('No worker answered in time; try again in a moment');
      if (job.error_code === 'invalid_input' || job.error_code === 'unsupported_media')
        throw new HttpError(422, job.error_message ?? 'The picture cannot be read');
      // The message of the job names files and addresses, which help an admin only: `cl-server models` shows them.
      if (job.error_code === 'model_missing')
        throw new HttpError(503, missingModels([task.type]), { headers: { 'retry-after': RETRY_AFTER_MODEL } });
      if (job.status !== 'completed') throw unavailable(job.error_message ?? 'The model could not be asked');
      return await read(job);
    } finally {
      await jobs.repository.deleteJob(job_id);
    }
  };

  return {
    async run({ taskType, params, input, within }, read) {
      const task = taskOf(taskType);
      const parsed = task && parseParams(task, params);
      if (!task || !parsed?.success) throw unavailable(`The task ${taskType} is not installed on this server`);
      if (asking >= MAX_RUNNING) throw unavailable('Too many simultaneous searches; try again in a moment');
      asking++;
      try {
        return await ask(task, parsed.data, { input, within }, read);
      } finally {
        asking--;
      }
    },
  };
}
