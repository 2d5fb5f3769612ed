/**
 * HLS streams of videos, made on demand by a job, one folder per content.
 *
 * ```
 *        asked for                 first segments            job completed
 *  none -----------> waiting -----------------------> live ----------------> whole
 *   ^                   |  ^                            |                      |
 *   |        job failed |  | asked for after the delay  | job failed           |
 *   |                   v  |                            |                      |
 *   |                 failed <--------------------------+                      |
 *   |                                                                          |
 *   +-------- DELETE, content freed, job or files removed by others -----------+   (from every state)
 * ```
 *
 * The state is the content's note, its files and its job; it is not kept in memory, so that a restart changes nothing.
 */

import { randomUUID } from 'node:crypto';
import { type BlobStore, isNotFound } from '@cl-server/blobs';
import { HLS_FILES, hlsStreamingTask } from '@cl-server/contract';
import type { Availability, CreationRequest, JobCreation } from '@cl-server/job-routes';
import type { JobEngine, JobRecord } from '@cl-server/jobs';
import { KeyedLock } from '@cl-server/kit';
import { HttpError, type Logger, notFound } from '@cl-server/service-kit';
import { parseParams, type TaskRegistry } from '@cl-server/task-kit';
import type { EntityRow } from '../database/tables.js';
import { hlsFailed, retryDelay } from './failure.js';
import { SharedWait } from './shared-wait.js';
import { StreamFiles, type StreamNote, type StreamStore } from './stream-files.js';
import type { StreamUsage } from './usage.js';

export interface StreamsOptions {
  readonly media: Pick<BlobStore, 'localFile'>;
  readonly blobs: StreamStore;
  readonly jobs: Pick<JobEngine, 'repository' | 'events'>;
  readonly creation: Pick<JobCreation, 'create'>;
  readonly tasks: Pick<TaskRegistry, 'get'>;
  /** Whether a worker can make streams now. */
  readonly availability: (task: string) => Promise<Availability>;
  readonly usage: StreamUsage;
  readonly logger: Logger;
  /** Milliseconds. */
  readonly now: () => number;
}

export type StreamSource = Pick<EntityRow, 'sha256' | 'type' | 'file_path'>;

export type Playlist =
  /** Key in the blob store of the streams. */
  | { readonly key: string }
  /** Nothing can be played yet; the reason is what it waits for, if that is known. */
  | { readonly key: undefined; readonly reason?: string };

type State =
  | { readonly is: 'none'; readonly failures: number }
  | { readonly is: 'waiting'; readonly note: StreamNote; readonly job: JobRecord }
  | { readonly is: 'live' | 'whole'; readonly note: StreamNote; readonly key: string }
  | { readonly is: 'failed'; readonly note: StreamNote; readonly reason: string };

type Asked = Exclude<State, { readonly is: 'failed' }>;

/** The state of a stream as the insights of an entity show it. */
export type StreamStatus = 'not_applicable' | 'pending' | 'processing' | 'available' | 'completed' | 'failed';
const STATUS = {
  none: 'pending',
  waiting: 'processing',
  live: 'available',
  whole: 'completed',
  failed: 'failed',
} as const satisfies Record<State['is'], StreamStatus>;

/** The maximum number of streams that wait to be made. */
export const MAX_QUEUED_STREAMS = 200;

/** Owner of the jobs that the store itself creates. */
export const STREAM_OWNER = 'store';
/**
 * A player waits, but a search that a person waits for has priority. Streams for callers that may only read come after the
 * jobs of users, and fewer of them may wait, so that strangers neither delay users nor fill the queue.
 */
const PRIORITY = { preferred: 8, ordinary: 4 } as const;
const MAX_QUEUED = { preferred: MAX_QUEUED_STREAMS, ordinary: 20 } as const;
/** The longest wait for the first segments. */
const MAX_WAIT_MS = 30_000;
const NO_REASON = 'The job failed';
const OVER_BUDGET =
  'The user who added the video has no room for its stream within the quota: remove entities, jobs, uploads or other streams first';
const NAME = /^[\w-][\w.-]*\.(m3u8|ts|m4s|mp4|vtt)$/;

export class Streams {
  readonly #options: StreamsOptions;
  readonly #files: StreamFiles;
  readonly #lock = new KeyedLock();
  readonly #waiting = new SharedWait<Playlist>();
  /** The contents whose stream is being made, as far as this process knows. */
  readonly #growing = new Set<string>();

  constructor(options: StreamsOptions) {
    this.#options = options;
    this.#files = new StreamFiles(options.blobs);
  }

  /**
   * Returns the playlist that can be played now. Requests a stream if there is none.
   * @param preferred whether the caller has more permissions than reading
   * @param gone given by a caller that waits for the first segments: aborted when the client has disconnected
   * @throws HttpError 404 `hls_failed` if the entity is not a video or no stream could be made; 503 if too many wait
   */
  async playlist(
    { sha256, type, file_path }: StreamSource,
    { preferred, gone }: { readonly preferred: boolean; readonly gone?: AbortSignal | undefined },
  ): Promise<Playlist> {
    if (type !== 'video' || sha256 === null || file_path === null) throw hlsFailed('Only videos have a stream');
    const seen = await this.#state(sha256);
    const asked =
      seen.is === 'none' || seen.is === 'failed'
        ? await this.#lock.run(sha256, () => this.#ask(sha256, file_path, preferred))
        : seen;
    if (asked.is === 'none') return { key: undefined };
    if (asked.is !== 'waiting') return { key: asked.key };
    const { job } = asked;
    const watch = (signal: AbortSignal) => this.#watch(sha256, job.job_id, signal);
    const playable = gone && (await this.#waiting.join(job.job_id, { within: MAX_WAIT_MS, gone }, watch));
    if (playable) return playable;
    const { available, reason } = await this.#options.availability(hlsStreamingTask.type);
    return { key: undefined, ...(job.status === 'queued' && !available && reason !== null && { reason }) };
  }

  async status({ sha256, type }: StreamSource): Promise<StreamStatus> {
    return type === 'video' && sha256 !== null ? STATUS[(await this.#state(sha256)).is] : 'not_applicable';
  }

  async #state(sha256: string): Promise<State> {
    const note = await this.#files.read(sha256);
    if (!note) return { is: 'none', failures: 0 };
    if (note.failed) return { is: 'failed', note, reason: note.failed.reason };
    const whole = { is: 'whole', note, key: this.#files.keyOf(sha256, note, HLS_FILES.master) } as const;
    if (await this.#files.has(sha256, note, HLS_FILES.master)) return whole;
    const job = await this.#options.jobs.repository.getJob(note.job_id);
    if (job?.status === 'failed') return { is: 'failed', note, reason: job.error_message ?? NO_REASON };
    // The job may have completed since the first check.
    if (job?.status === 'completed' && (await this.#files.has(sha256, note, HLS_FILES.master))) return whole;
    if (!job || job.status === 'completed') return { is: 'none', failures: note.failures };
    // Only while the job runs: the remains of a dead job would never grow.
    return (await this.#files.has(sha256, note, HLS_FILES.live))
      ? { is: 'live', note, key: this.#files.keyOf(sha256, note, HLS_FILES.live) }
      : { is: 'waiting', note, job };
  }

  /** Runs under the lock, so that simultaneous callers create only one job. */
  async #ask(sha256: string, filePath: string, preferred: boolean): Promise<Asked> {
    const state = await this.#state(sha256);
    if (state.is === 'none') return this.#begin(sha256, filePath, state.failures, preferred);
    if (state.is !== 'failed') return state;
    const { failed, failures } = state.note;
    if (!failed) throw await this.#fail(sha256, state.note, state.reason);
    const retryIn = failed.retry_at - this.#options.now();
    if (retryIn > 0) throw hlsFailed(failed.reason, { retryIn });
    return this.#begin(sha256, filePath, failures, preferred);
  }

  async #begin(sha256: string, filePath: string, failures: number, preferred: boolean): Promise<Asked> {
    const { jobs, media, tasks, availability } = this.#options;
    const source = await media.localFile(filePath).catch((cause: unknown) => {
      throw isNotFound(cause) ? hlsFailed('The video’s file is missing', { cause }) : cause;
    });
    const task = tasks.get(hlsStreamingTask.type);
    if (!task) throw hlsFailed('The task hls_streaming is not installed on this server');
    const { available, reason } = await availability(task.type);
    if (!available) throw hlsFailed(`No worker can make a stream: ${reason ?? 'none takes this task'}`);
    const generation = randomUUID();
    const params = parseParams(task, {
      input_absolute_path: source,
      output_absolute_path: this.#files.generationFolder(sha256, { generation }),
      include_original: true,
    });
    if (!params.success) throw hlsFailed('The task hls_streaming of this server takes other parameters');
    await this.#files.remove(sha256);
    if (!(await this.#options.usage.count(sha256, { bytes: 0, grows: true }))) throw hlsFailed(OVER_BUDGET);
    if (this.#options.usage.isLimited) this.#growing.add(sha256);
    const { job_id } = await this.#create({ task, params: params.data }, preferred ? 'preferred' : 'ordinary');
    const note: StreamNote = { generation, job_id, failures, failed: null };
    await this.#files.write(sha256, note);
    const job = await jobs.repository.getJob(job_id);
    return job ? { is: 'waiting', note, job } : { is: 'none', failures };
  }

  async #create(
    request: Pick<CreationRequest, 'task' | 'params'>,
    rank: keyof typeof PRIORITY,
  ): Promise<{ job_id: string }> {
    const { creation, logger } = this.#options;
    try {
      const priority = PRIORITY[rank];
      const rest = { priority, input: undefined, owner: STREAM_OWNER, idempotencyKey: undefined, isPlatforms: true };
      return await creation.create({ ...request, ...rest }, { maxQueued: MAX_QUEUED[rank] });
    } catch (cause) {
      if (!(cause instanceof HttpError)) throw cause;
      if (cause.status === 429)
        throw new HttpError(503, 'Too many streams wait to be made: try again later', {
          headers: cause.headers,
          cause,
        });
      logger.error({ err: cause }, 'the job for a stream was refused');
      throw hlsFailed('The job for the stream was refused', { cause });
    }
  }

  /** Records a failure and removes its remains. @returns the error for the client */
  async #fail(sha256: string, note: StreamNote, reason: string): Promise<HttpError> {
    const failures = note.failures + 1;
    const retryIn = retryDelay(failures);
    await this.#files.write(sha256, { ...note, failures, failed: { reason, retry_at: this.#options.now() + retryIn } });
    await this.#options.jobs.repository.deleteJob(note.job_id);
    // A crashed worker has not cleaned up.
    await this.#files.removeGeneration(sha256, note);
    await this.#options.usage.release(sha256);
    return hlsFailed(reason, { retryIn });
  }

  /** Resolves when something can be played; undefined if the signal is aborted or the job was removed. */
  async #watch(sha256: string, jobId: string, signal: AbortSignal): Promise<Playlist | undefined> {
    for await (const job of this.#options.jobs.events.watch(jobId, { signal })) {
      const playable = await this.#arrived(sha256);
      if (playable) return playable;
      // Another client has already received the failure and requested the stream again.
      if (job.status === 'failed') throw hlsFailed(job.error_message ?? NO_REASON);
    }
    // The job may have been removed because another client received its failure.
    return signal.aborted ? undefined : this.#arrived(sha256);
  }

  async #arrived(sha256: string): Promise<Playlist | undefined> {
    const state = await this.#state(sha256);
    if (state.is === 'live' || state.is === 'whole') return { key: state.key };
    if (state.is !== 'failed') return undefined;
    return this.#lock.run(sha256, async () => {
      const now = await this.#state(sha256);
      if (now.is !== 'failed') return undefined;
      throw now.note.failed ? hlsFailed(now.reason) : await this.#fail(sha256, now.note, now.reason);
    });
  }

  /**
   * A variant playlist or a segment.
   * @returns key in the blob store of the streams
   * @throws HttpError 404
   */
  async fileKey({ sha256 }: StreamSource, name: string): Promise<string> {
    const note = sha256 !== null && NAME.test(name) ? await this.#files.read(sha256) : undefined;
    if (!note || sha256 === null) throw notFound('Stream file not found');
    return this.#files.keyOf(sha256, note, name);
  }

  /** Stops the job of a stream and removes the stream. */
  async remove(sha256: string): Promise<void> {
    await this.#lock.run(sha256, async () => {
      const note = await this.#files.read(sha256);
      if (note) await this.#options.jobs.repository.deleteJob(note.job_id);
      await this.#files.remove(sha256);
      await this.#options.usage.release(sha256);
    });
  }

  /** Counts growing streams, and ends those that exceed the budget of their user. */
  async countGrowing(): Promise<void> {
    for (const sha256 of [...this.#growing]) await this.#count(sha256);
  }

  /** Counts every stream. Corrects counts after the death of a process or the removal of files by others. */
  async countAll(): Promise<void> {
    const { usage } = this.#options;
    if (!usage.isLimited) return;
    for (const sha256 of new Set([...(await this.contents()), ...(await usage.counted())])) await this.#count(sha256);
  }

  #count(sha256: string): Promise<void> {
    const { usage } = this.#options;
    return this.#lock.run(sha256, async () => {
      const state = await this.#state(sha256);
      const grows = state.is === 'waiting' || state.is === 'live';
      if (grows) this.#growing.add(sha256);
      else this.#growing.delete(sha256);
      const known = state.is === 'whole' ? state.note.bytes : undefined;
      const bytes = known ?? (await this.#files.bytesOf(sha256));
      if (state.is === 'whole' && known === undefined) await this.#files.write(sha256, { ...state.note, bytes });
      if (!grows && bytes === 0) return usage.release(sha256);
      const hasRoom = await usage.count(sha256, { bytes, grows });
      if (grows && !hasRoom) await this.#fail(sha256, state.note, OVER_BUDGET);
    });
  }

  /** The contents that have files or a note. */
  contents(): Promise<string[]> {
    return this.#files.contents();
  }

  /** Waiting callers learn that nothing can be played yet. */
  close(): void {
    this.#waiting.close();
  }
}
