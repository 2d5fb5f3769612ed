import type {
  BatchItem,
  BatchResponse,
  cancelJob,
  createBatch,
  createJob,
  deleteJob,
  getJob,
  getJobFile,
  Job,
  JobCreated,
  JobList,
  JobListQuery,
  listJobs,
  listTasks,
  retryJob,
  TaskInfo,
} from '@cl-server/contract';
import { ConflictError } from '../errors.js';
import { type Downloaded, type DownloadOptions, downloadBytes, downloadToFile } from '../files/download.js';
import { type FileInput, toFileBody } from '../files/source.js';
import type { Fields, OnProgress } from '../http/body.js';
import type { CallOptions, HttpClient } from '../http/http-client.js';
import { byCursor } from '../http/pages.js';
import { type Call, type RequestSpec, requestOf } from '../http/request.js';
import type { JobChannel } from './channel.js';
import { type FollowOptions, followJob, type PollPolicy } from './follow.js';
import { JobHandle, type WaitOptions } from './job-handle.js';
import { type CompletedJob, hasEnded, type JobUpdate } from './state.js';

/** Options of every submission, beside those of the task. */
export interface SubmitOptions<Wait extends boolean = boolean> extends WaitOptions {
  /** 0 to 10, 10 is served first. Default 5. */
  readonly priority?: number | undefined;
  /** False: awaiting the handle ends with the submission. Default true. */
  readonly wait?: Wait | undefined;
  readonly onUploadProgress?: OnProgress | undefined;
  /** A word of your own by which a repeated submission finds the first one's job. Default: a new one each time. */
  readonly idempotencyKey?: string | undefined;
}

/** Filters of the job list; all are optional. */
export type JobFilters = Partial<Omit<JobListQuery, 'cursor'>>;

export interface JobCallbacks {
  /** Called after every change, including the end. */
  readonly onProgress?: (update: JobUpdate) => void;
  /** Called once when the job has ended, however it ended. */
  readonly onComplete?: (job: Job) => void;
  /** Called if the job cannot be followed any further. Default: the error is thrown where nobody catches it. */
  readonly onError?: (error: unknown) => void;
}

export interface JobsClientOptions {
  readonly http: HttpClient;
  /** In order of preference; none means polling. */
  readonly channels?: readonly JobChannel[] | undefined;
  readonly poll?: PollPolicy | undefined;
}

/** The jobs of a compute or a store service. */
export class JobsClient {
  readonly #http: HttpClient;
  readonly #channels: readonly JobChannel[];
  readonly #poll: PollPolicy | undefined;
  readonly #subscriptions = new Map<string, AbortController>();

  constructor({ http, channels = [], poll }: JobsClientOptions) {
    this.#http = http;
    this.#channels = channels;
    this.#poll = poll;
  }

  /**
   * Creates a job of any task.
   * @param file undefined where the task takes none
   * @param params the task's own fields; lists and objects travel as JSON
   *
   * @example
   * ```ts
   * const job = await compute.jobs.submit('my_task', 'photo.jpg', { strength: 3 }, { priority: 8 });
   * ```
   */
  submit<Output = Record<string, unknown>, Wait extends boolean = true>(
    task: string,
    file: FileInput | undefined,
    params: Fields = {},
    options: SubmitOptions<Wait> = {},
  ): JobHandle<Output, Wait> {
    let prepared = false;
    let release = (): void => undefined;
    const create = async (): Promise<JobCreated> => {
      if (options.wait !== false || options.onProgress || options.onComplete) {
        const listening = await this.#channels[0]?.prepare?.().catch(() => undefined);
        prepared = listening !== undefined;
        if (listening) release = listening;
      }
      return this.#create(task, file, params, options);
    };
    return new JobHandle(
      this,
      { created: create(), prepared: () => prepared, release: () => release() },
      { ...options, wait: options.wait },
    );
  }

  async #create(
    task: string,
    file: FileInput | undefined,
    params: Fields,
    { priority, signal, onUploadProgress, idempotencyKey }: SubmitOptions,
  ): Promise<JobCreated> {
    const call: Call<typeof createJob> = {
      method: 'POST',
      path: '/jobs/{task_type}',
      params: { task_type: task },
      form: { priority, ...params },
      headers: { 'idempotency-key': idempotencyKey ?? crypto.randomUUID() },
      idempotent: true,
      ...(file !== undefined && {
        file: { field: 'file', body: await toFileBody(file), onProgress: onUploadProgress },
      }),
    };
    return this.#http.call<typeof createJob>(call, { signal });
  }

  /**
   * A handle of a job that exists already.
   *
   * @example
   * ```ts
   * const { task_output } = await compute.jobs.handle(jobId);
   * ```
   */
  handle<Output = Record<string, unknown>>(jobId: string, options: WaitOptions = {}): JobHandle<Output> {
    const { signal } = options;
    const created = this.get(jobId, { signal }).then(({ job_id, status, task_type }) => ({
      job_id,
      status,
      task_type,
    }));
    return new JobHandle<Output>(this, { created, prepared: () => false, release: () => undefined }, options);
  }

  /**
   * Waits until a job has ended, however it ends.
   *
   * @example
   * ```ts
   * const { status } = await compute.jobs.settled(jobId, { timeoutMs: 60_000 });
   * ```
   */
  settled(jobId: string, options: WaitOptions = {}): Promise<Job> {
    return this.handle(jobId, options).settled();
  }

  /**
   * Waits until all of these jobs have ended, however they end. The results are in the order of the ids.
   *
   * @example
   * ```ts
   * const jobs = await compute.jobs.allSettled(jobIds, { signal });
   * ```
   */
  allSettled(jobIds: Iterable<string>, options: WaitOptions = {}): Promise<Job[]> {
    return Promise.all(Array.from(jobIds, (id) => this.settled(id, options)));
  }

  /**
   * Waits until a job is completed.
   * @throws JobFailedError, JobCancelledError
   * @example
   * ```ts
   * const { task_output } = await compute.jobs.completed(jobId);
   * ```
   */
  completed<Output = Record<string, unknown>>(jobId: string, options: WaitOptions = {}): Promise<CompletedJob<Output>> {
    return this.handle<Output>(jobId, options).completed();
  }

  /**
   * Creates up to 100 jobs at once: on files of earlier jobs, or on parameters alone. Each has its own outcome.
   *
   * @example
   * ```ts
   * const { results } = await compute.jobs.batch([{ task_type: 'clip_text_embedding', params: { text: 'a dog' } }]);
   * ```
   */
  batch(items: readonly BatchItem[], options?: CallOptions): Promise<BatchResponse> {
    const keyed = items.map((item) => ({ idempotency_key: crypto.randomUUID(), ...item }));
    return this.#http.call<typeof createBatch>(
      { method: 'POST', path: '/jobs/batch', json: keyed, idempotent: true },
      options,
    );
  }

  /**
   * @example
   * ```ts
   * const { status, progress } = await compute.jobs.get(jobId);
   * ```
   */
  get(jobId: string, options?: CallOptions): Promise<Job> {
    return this.#http.call<typeof getJob>(
      { method: 'GET', path: '/jobs/{job_id}', params: { job_id: jobId } },
      options,
    );
  }

  /**
   * One page, the newest first.
   *
   * @example
   * ```ts
   * const { items, next_cursor } = await compute.jobs.page({ status: 'failed', limit: 50 });
   * ```
   */
  page(query: Partial<JobListQuery> = {}, options?: CallOptions): Promise<JobList> {
    return this.#http.call<typeof listJobs>({ method: 'GET', path: '/jobs', query }, options);
  }

  /**
   * All jobs that fit, the newest first; the pages are fetched on the way.
   *
   * @example
   * ```ts
   * for await (const job of compute.jobs.list({ task_type: 'hash' })) console.log(job.job_id, job.status);
   * ```
   */
  list(filters: JobFilters = {}, options?: CallOptions): AsyncGenerator<Job> {
    return byCursor((cursor) => this.page({ ...filters, cursor }, options));
  }

  /**
   * Stops a job; one that has ended stays as it is.
   *
   * @example
   * ```ts
   * await compute.jobs.cancel(jobId);
   * ```
   */
  async cancel(jobId: string, options?: CallOptions): Promise<Job> {
    try {
      return await this.#http.call<typeof cancelJob>(
        { method: 'POST', path: '/jobs/{job_id}/cancel', params: { job_id: jobId }, idempotent: true },
        options,
      );
    } catch (error) {
      if (!(error instanceof ConflictError)) throw error;
      const job = await this.get(jobId, options);
      if (!hasEnded(job)) throw error;
      return job;
    }
  }

  /**
   * Queues a failed job again.
   *
   * @example
   * ```ts
   * await compute.jobs.retry(jobId);
   * ```
   */
  retry(jobId: string, options?: CallOptions): Promise<Job> {
    return this.#http.call<typeof retryJob>(
      { method: 'POST', path: '/jobs/{job_id}/retry', params: { job_id: jobId } },
      options,
    );
  }

  /**
   * Removes a job and its files; a running one is stopped.
   *
   * @example
   * ```ts
   * await compute.jobs.delete(jobId);
   * ```
   */
  async delete(jobId: string, options?: CallOptions): Promise<void> {
    await this.#http.call<typeof deleteJob>(
      { method: 'DELETE', path: '/jobs/{job_id}', params: { job_id: jobId } },
      options,
    );
  }

  /**
   * Downloads a file of a job, e.g. its `params.output_path`.
   *
   * @example
   * ```ts
   * await compute.jobs.download(jobId, 'output/thumbnail.jpg', 'small.jpg');
   * ```
   */
  download(jobId: string, file: string, dest: string, options?: DownloadOptions): Promise<Downloaded> {
    return downloadToFile(this.#http, this.#file(jobId, file), dest, options);
  }

  /**
   * A file of a job in memory.
   *
   * @example
   * ```ts
   * const jpeg = await compute.jobs.bytes(jobId, 'output/thumbnail.jpg');
   * ```
   */
  bytes(jobId: string, file: string, options?: DownloadOptions): Promise<Uint8Array<ArrayBuffer>> {
    return downloadBytes(this.#http, this.#file(jobId, file), options);
  }

  #file(jobId: string, file: string): RequestSpec {
    return requestOf<typeof getJobFile>({
      method: 'GET',
      path: '/jobs/{job_id}/files/{file_path*}',
      params: { job_id: jobId, file_path: file },
    });
  }

  /**
   * Every task that the platform knows, plugins included, and whether it can run now.
   *
   * @example
   * ```ts
   * for (const { task_type, summary } of await compute.jobs.tasks()) console.log(task_type, summary);
   * ```
   */
  async tasks(options?: CallOptions): Promise<TaskInfo[]> {
    return (await this.#http.call<typeof listTasks>({ method: 'GET', path: '/tasks' }, options)).items;
  }

  /** @internal */
  follow(jobId: string, options: Omit<FollowOptions, 'channels' | 'fetchJob' | 'poll'>): Promise<Job> {
    return followJob(jobId, {
      ...options,
      channels: this.#channels,
      poll: this.#poll,
      fetchJob: (signal) => this.get(jobId, { signal }),
    });
  }

  /**
   * Follows a job in the background.
   * @returns an id for `unsubscribe`; several subscriptions to one job do not disturb each other
   * @example
   * ```ts
   * const id = compute.jobs.subscribe(jobId, { onComplete: ({ status }) => console.log(status) });
   * ```
   */
  subscribe(jobId: string, { onProgress, onComplete, onError }: JobCallbacks): string {
    const id = crypto.randomUUID();
    const stop = new AbortController();
    this.#subscriptions.set(id, stop);
    this.follow(jobId, { signal: stop.signal, ...(onProgress && { onUpdate: onProgress }) })
      .then((job) => onComplete?.(job))
      .catch((error: unknown) => {
        if (stop.signal.aborted) return;
        if (!onError) throw error;
        onError(error);
      })
      .finally(() => this.#subscriptions.delete(id));
    return id;
  }

  /**
   * Ends a subscription. @returns whether there was one
   * @example
   * ```ts
   * const id = compute.jobs.subscribe(jobId, { onProgress: ({ progress }) => console.log(progress) });
   * compute.jobs.unsubscribe(id);
   * ```
   */
  unsubscribe(subscriptionId: string): boolean {
    const stop = this.#subscriptions.get(subscriptionId);
    stop?.abort();
    return this.#subscriptions.delete(subscriptionId);
  }

  /**
   * Ends all subscriptions.
   *
   * @example
   * ```ts
   * compute.jobs.close();
   * ```
   */
  close(): void {
    for (const id of [...this.#subscriptions.keys()]) this.unsubscribe(id);
  }
}
