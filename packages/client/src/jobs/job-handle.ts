import type { Job, JobCreated } from '@cl-server/contract';
import { TimeoutError } from '../errors.js';
import type { Downloaded, DownloadOptions } from '../files/download.js';
import type { FollowOptions } from './follow.js';
import { type CompletedJob, completed, type JobState, type JobUpdate, updateOfJob } from './state.js';

/** Options of following a job. */
export interface WaitOptions {
  /** Milliseconds to wait for the end; the job continues after them. Default: no limit. */
  readonly timeoutMs?: number | undefined;
  /** Ends the waiting, and an upload that has not ended; a job that the server has goes on. */
  readonly signal?: AbortSignal | undefined;
  /** Called after every change, including the end. */
  readonly onProgress?: ((update: JobUpdate) => void) | undefined;
  /** Called once when the job has ended, however it ended. */
  readonly onComplete?: ((job: Job) => void) | undefined;
}

/** The calls that a handle makes about its job; {@link JobsClient} makes them over HTTP. */
export interface JobSource {
  cancel(jobId: string): Promise<Job>;
  delete(jobId: string): Promise<void>;
  download(jobId: string, file: string, dest: string, options?: DownloadOptions): Promise<Downloaded>;
  bytes(jobId: string, file: string, options?: DownloadOptions): Promise<Uint8Array<ArrayBuffer>>;
  follow(jobId: string, options: Omit<FollowOptions, 'channels' | 'fetchJob' | 'poll'>): Promise<Job>;
}

/** How a handle gets its job: sent now, or known already. */
export interface JobOrigin {
  /** Resolves with what the server said when it took the job. */
  readonly created: Promise<JobCreated>;
  /** True if changes are listened to since before the job was made. */
  readonly prepared: () => boolean;
  /** Called when that early listening is no longer needed. */
  readonly release: () => void;
}

/**
 * A job, from its submission to its end. Awaiting it gives the completed job, or throws `JobFailedError` or
 * `JobCancelledError`; with `wait: false` awaiting it gives the job as accepted.
 *
 * @typeParam Output what the task gives
 * @typeParam Wait false where awaiting ends with the submission
 *
 * @example
 * ```ts
 * const job = compute.hash.compute('photo.jpg');
 * for await (const { state, progress } of job.events()) console.log(state, progress);
 * const { task_output } = await job;
 * ```
 */
export class JobHandle<Output = Record<string, unknown>, Wait extends boolean = true>
  implements PromiseLike<Wait extends false ? JobCreated : CompletedJob<Output>>
{
  readonly #created: Promise<JobCreated>;
  readonly #jobs: JobSource;
  readonly #options: WaitOptions;
  readonly #origin: JobOrigin;
  readonly #wait: boolean;
  readonly #updates: JobUpdate[] = [];
  #wake: (() => void)[] = [];
  #end: Promise<Job> | undefined;
  #id: string | undefined;

  /** @internal */
  constructor(jobs: JobSource, origin: JobOrigin, options: WaitOptions & { readonly wait?: boolean | undefined }) {
    this.#jobs = jobs;
    this.#origin = origin;
    this.#options = options;
    this.#wait = options.wait ?? true;
    this.#created = origin.created.then((created) => {
      this.#id = created.job_id;
      return created;
    });
    const follow = this.#wait || options.onProgress !== undefined || options.onComplete !== undefined;
    // Followed from the beginning, so that the callbacks fire whether or not anybody awaits the handle.
    if (follow) void this.settled();
    else this.#created.then(origin.release, origin.release);
  }

  /** The server's answer to the creation of the job; rejects if the server refused it. */
  get created(): Promise<JobCreated> {
    // A caller that awaits this promise handles a refusal. The end of a job that never existed must then be no unhandled error.
    this.#created.catch(() => this.#end?.catch(() => undefined));
    return this.#created;
  }

  /** The job's id, once the server has taken it. */
  get id(): string | undefined {
    return this.#id;
  }

  /** The state last heard of. */
  get state(): JobState {
    return this.#updates.at(-1)?.state ?? 'queued';
  }

  /**
   * Called by `await`: gives the completed job, or the accepted job if `wait` is false.
   *
   * @example
   * ```ts
   * compute.hash.compute('photo.jpg').then(({ task_output }) => console.log(task_output.phash), console.error);
   * ```
   */
  // biome-ignore lint/suspicious/noThenProperty: a job is awaited like any other asynchronous result
  then<A = Wait extends false ? JobCreated : CompletedJob<Output>, B = never>(
    onFulfilled?: ((value: Wait extends false ? JobCreated : CompletedJob<Output>) => A | PromiseLike<A>) | null,
    onRejected?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    const awaited = this.#wait ? this.completed() : this.#created;
    return (awaited as Promise<Wait extends false ? JobCreated : CompletedJob<Output>>).then(onFulfilled, onRejected);
  }

  /**
   * The completed job, whatever `wait` says.
   * @throws JobFailedError, JobCancelledError
   * @example
   * ```ts
   * const { task_output } = await compute.hash.compute('photo.jpg').completed();
   * ```
   */
  async completed(): Promise<CompletedJob<Output>> {
    return completed<Output>(await this.settled());
  }

  /** The output of the completed job. */
  get output(): Promise<Output> {
    return this.completed().then((job) => job.task_output);
  }

  /**
   * The ended job, however it ended.
   *
   * @example
   * ```ts
   * const { status, error_message } = await compute.hash.compute('photo.jpg').settled();
   * ```
   */
  settled(): Promise<Job> {
    this.#end ??= this.#follow();
    return this.#end;
  }

  /**
   * Every change from the beginning, up to the end. Can be read more than once.
   *
   * @example
   * ```ts
   * for await (const { state, progress } of compute.jobs.handle(jobId).events()) console.log(state, progress);
   * ```
   */
  async *events(): AsyncGenerator<JobUpdate, void, undefined> {
    let over = false;
    const end = this.settled().finally(() => {
      over = true;
      this.#ring();
    });
    end.catch(() => undefined);
    for (let next = 0; ; next++) {
      while (next >= this.#updates.length) {
        if (over) {
          await end;
          return;
        }
        await new Promise<void>((resolve) => this.#wake.push(resolve));
      }
      yield this.#updates[next] as JobUpdate;
    }
  }

  /**
   * Asks the server to stop the job; one that has ended stays as it is.
   *
   * @example
   * ```ts
   * const job = compute.hlsStreaming.generateManifest('film.mp4');
   * await job.cancel();
   * ```
   */
  async cancel(): Promise<Job> {
    return this.#jobs.cancel((await this.created).job_id);
  }

  /**
   * Downloads a file of the job to a path.
   *
   * @example
   * ```ts
   * const job = compute.mediaThumbnail.generate('film.mp4');
   * await job.download((await job.output).output_path, 'film.jpg');
   * ```
   */
  async download(path: string, dest: string, options?: DownloadOptions): Promise<Downloaded> {
    return this.#jobs.download((await this.created).job_id, path, dest, options);
  }

  /**
   * Downloads a file of the job into memory.
   *
   * @example
   * ```ts
   * const job = compute.mediaThumbnail.generate('film.mp4');
   * const jpeg = await job.bytes((await job.output).output_path);
   * ```
   */
  async bytes(path: string, options?: DownloadOptions): Promise<Uint8Array<ArrayBuffer>> {
    return this.#jobs.bytes((await this.created).job_id, path, options);
  }

  /**
   * Removes the job and its files from the server.
   *
   * @example
   * ```ts
   * const job = compute.hash.compute('photo.jpg');
   * await job;
   * await job.delete();
   * ```
   */
  async delete(): Promise<void> {
    return this.#jobs.delete((await this.created).job_id);
  }

  async #follow(): Promise<Job> {
    const { timeoutMs, signal, onComplete } = this.#options;
    const limit = timeoutMs ? AbortSignal.timeout(timeoutMs) : undefined;
    const signals = [limit, signal].filter((one) => one !== undefined);
    try {
      const { job_id: id } = await this.#created;
      const job = await this.#jobs.follow(id, {
        signal: signals.length > 0 ? AbortSignal.any(signals) : undefined,
        prepared: this.#origin.prepared(),
        onUpdate: (update) => this.#hear(update),
      });
      this.#hear(updateOfJob(job));
      onComplete?.(job);
      return job;
    } catch (error) {
      if (limit?.aborted && error === limit.reason)
        throw new TimeoutError(
          `The job ${this.#id ?? ''} did not end within ${timeoutMs} ms; it continues on the server`,
        );
      throw error;
    } finally {
      this.#origin.release();
    }
  }

  #hear(update: JobUpdate): void {
    const last = this.#updates.at(-1);
    if (last && last.state === update.state && last.progress === update.progress) return;
    this.#updates.push(update);
    this.#ring();
    this.#options.onProgress?.(update);
  }

  #ring(): void {
    const wake = this.#wake;
    this.#wake = [];
    for (const resolve of wake) resolve();
  }
}
