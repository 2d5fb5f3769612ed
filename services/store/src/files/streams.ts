/**
 * HLS streams of videos, made on demand by a job, one folder per content.
 *
 * ```
 * none --request--> generating --first segments--> live --job completed--> whole
 *   ^                   |                            |                      |
 *   |                   +----job failed: told once---+                      |
 *   +---------------------------- DELETE, content freed -------------------+
 * ```
 *
 * The state is the folder's files and the job of the content; nothing is kept in memory, so that a restart changes
 * nothing.
 */
import fs from 'node:fs/promises';
import path from 'node:path';
import { HLS_FILES, hlsStreamingTask, PRIORITY } from '@cl-server/contract';
import type { JobCreation } from '@cl-server/job-routes';
import type { JobEngine } from '@cl-server/jobs';
import { notFound } from '@cl-server/runtime';
import { parseParams, type TaskRegistry } from '@cl-server/task-kit';
import type { EntityRow } from '../database/tables.js';
import { KeyedLock } from './keyed-lock.js';
import type { MediaFolder } from './media-folder.js';

export interface StreamsOptions {
  readonly folder: MediaFolder;
  /** Absolute. */
  readonly streamsDir: string;
  readonly jobs: Pick<JobEngine, 'repository' | 'events'>;
  readonly creation: JobCreation;
  readonly tasks: Pick<TaskRegistry, 'get'>;
}

export type StreamSource = Pick<EntityRow, 'sha256' | 'type' | 'file_path'>;

/** Owner of the jobs that the store itself creates. */
const OWNER = 'store';
/** Longest wait for the first segments, milliseconds. */
const MAX_WAIT = 30_000;
const NAME = /^[\w-][\w.-]*\.(m3u8|ts|m4s|mp4|vtt)$/;

const failed = (cause?: unknown): Error => notFound('hls_failed', { code: 'hls_failed', cause });

export class Streams {
  readonly #options: StreamsOptions;
  readonly #lock = new KeyedLock();

  constructor(options: StreamsOptions) {
    this.#options = options;
  }

  #folderOf(sha256: string): string {
    return path.join(this.#options.streamsDir, sha256);
  }

  /**
   * The playlist to play now, asking for a stream where there is none.
   * @returns absolute path; undefined while nothing can be played yet
   * @throws HttpError 404 `hls_failed` for what is no video, and once for each job that failed
   */
  async playlist(source: StreamSource, wait: boolean): Promise<string | undefined> {
    const { sha256, type, file_path } = source;
    if (type !== 'video' || sha256 === null || file_path === null) throw failed();
    const ready = await this.#playable(sha256);
    if (ready !== undefined) return ready;
    const jobId = await this.#lock.run(sha256, () => this.#ask(sha256, file_path));
    return wait ? this.#awaitPlayable(sha256, jobId) : this.#playable(sha256);
  }

  async #playable(sha256: string): Promise<string | undefined> {
    for (const name of [HLS_FILES.master, HLS_FILES.live]) {
      const file = path.join(this.#folderOf(sha256), name);
      if (await exists(file)) return file;
    }
    return undefined;
  }

  /** The id of the content's job is written beside its folder: one job at a time for each content. */
  #noteOf(sha256: string): string {
    return `${this.#folderOf(sha256)}.job`;
  }

  async #currentJob(sha256: string) {
    const id = await fs.readFile(this.#noteOf(sha256), 'utf8').catch(() => undefined);
    return id === undefined ? undefined : this.#options.jobs.repository.getJob(id.trim());
  }

  /** @returns the id of the job that makes the stream */
  async #ask(sha256: string, filePath: string): Promise<string> {
    const { jobs, creation, tasks, folder, streamsDir } = this.#options;
    const job = await this.#currentJob(sha256);
    if (job?.status === 'failed') {
      // Told now; the next request asks anew.
      await fs.rm(this.#noteOf(sha256), { force: true });
      await jobs.repository.deleteJob(job.job_id);
      throw failed(new Error(job.error_message ?? 'the job failed'));
    }
    if (job && job.status !== 'completed') return job.job_id;
    const task = tasks.get(hlsStreamingTask.type);
    if (!task) throw failed(new Error('no task makes streams here'));
    const params = parseParams(task, {
      input_absolute_path: folder.resolve(filePath),
      output_absolute_path: this.#folderOf(sha256),
      include_original: true,
    });
    if (!params.success) throw failed(params.error);
    await fs.mkdir(streamsDir, { recursive: true, mode: 0o750 });
    const { job_id } = await creation.create({
      task,
      params: params.data,
      priority: PRIORITY.interactive,
      input: undefined,
      owner: OWNER,
      idempotencyKey: undefined,
    });
    await fs.writeFile(this.#noteOf(sha256), job_id, { mode: 0o640 });
    return job_id;
  }

  async #awaitPlayable(sha256: string, jobId: string): Promise<string | undefined> {
    for await (const job of this.#options.jobs.events.watch(jobId, { signal: AbortSignal.timeout(MAX_WAIT) })) {
      const ready = await this.#playable(sha256);
      if (ready !== undefined) return ready;
      if (job.status === 'failed') throw failed(new Error(job.error_message ?? 'the job failed'));
    }
    return this.#playable(sha256);
  }

  /**
   * A variant playlist or a segment.
   * @returns absolute path
   * @throws HttpError 404
   */
  async file({ sha256 }: StreamSource, name: string): Promise<string> {
    const file = sha256 === null || !NAME.test(name) ? undefined : path.join(this.#folderOf(sha256), name);
    if (file === undefined || !(await exists(file))) throw notFound('Stream file not found');
    return file;
  }

  /** Stops what is being made and removes what was made. */
  async remove(sha256: string): Promise<void> {
    await this.#lock.run(sha256, async () => {
      const job = await this.#currentJob(sha256);
      if (job) await this.#options.jobs.repository.deleteJob(job.job_id);
      await fs.rm(this.#noteOf(sha256), { force: true });
      await fs.rm(this.#folderOf(sha256), { recursive: true, force: true, maxRetries: 3 });
    });
  }
}

const exists = (file: string): Promise<boolean> =>
  fs.access(file).then(
    () => true,
    () => false,
  );
