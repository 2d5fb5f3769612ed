/**
 * Files of jobs in a blob store: `{job_id}/input/…`, and `{job_id}/attempts/{n}/…` for the results of each attempt. A task writes
 * its results in a folder of its own worker; they are here when the attempt is complete, and clients see those of the committed
 * attempt alone.
 *
 * Relative paths of clients (`input/a.jpg`, `output/b.json`, `faces/0.png`) never leave the job, by `..` or by links.
 */
import { createReadStream, existsSync } from 'node:fs';
import fs from 'node:fs/promises';
import path from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { BlobError, type BlobStore, type FolderLimits, type OpenBlob } from '@cl-server/blobs';
import { DigestStream, digestFile } from '@cl-server/kit';
import { JobError } from '../errors.js';
import { isJobId, type JobRecord } from '../job.js';

/** A file that was saved. */
export interface SavedFile {
  /** `input/<name>`. */
  readonly relative_path: string;
  readonly size: number;
  /** SHA-256, hex. */
  readonly hash: string;
}

/** The job whose files are read: its results are those of its committed attempt. */
export type FilesOf = Pick<JobRecord, 'job_id' | 'committed_attempt'>;

/** A file of another job. Inputs are shared by both jobs, results are copied. */
export interface FileOfJob {
  readonly job: FilesOf;
  readonly path: string;
  /** Absent if it is not known yet. */
  readonly sha256?: string | undefined;
}

/**
 * Bytes, a stream, a file of this machine, or a file of another job. With `move` the file is moved into its place: it no
 * longer exists afterwards, and a `sha256` that is known already is not computed again.
 */
export type FileSource =
  | Uint8Array
  | Readable
  | { readonly path: string; readonly move?: boolean; readonly sha256?: string }
  | FileOfJob;

export interface JobFile extends OpenBlob {
  readonly name: string;
}

/** The files of jobs, as the queue, services and workers use them. */
export interface JobStorage {
  /** A folder of this machine in which uploads are received; old ones are removed by the reconciler. */
  readonly uploads: string;
  /** Removes a job's files, safely while others read them. @returns whether there were any */
  remove(jobId: string): Promise<boolean>;
  /** Saves an input, durable when it returns. The name is used as it is. @throws JobError `path_traversal` */
  save(jobId: string, relativePath: string, source: FileSource): Promise<SavedFile>;
  /**
   * Keeps the results of an attempt, durable when it returns; before `complete`. The storage takes the folder.
   * @param folder absolute; it does not exist if the task wrote no file
   * @returns the size of the results
   * @throws JobError `result_refused` for links, special files, and too many or too large ones
   */
  deliver(jobId: string, attempt: number, folder: string): Promise<number>;
  /** Removes the results of an attempt that were delivered but not committed. */
  removeAttempt(jobId: string, attempt: number): Promise<void>;
  /** @throws JobError `not_found`, `path_traversal`, `not_a_file` */
  open(job: FilesOf, relativePath: string): Promise<JobFile>;
  /** The whole file. @throws JobError as `open`; Error if the file has more than `maxBytes` */
  read(job: FilesOf, relativePath: string, maxBytes: number): Promise<Buffer>;
  /** Path of a file of this machine with the bytes, for a task to read. @throws JobError as `open` */
  localFile(job: FilesOf, relativePath: string): Promise<string>;
  /** Bytes that deleting a job frees: not those of files that other jobs have too. */
  sizeOf(jobId: string): Promise<number>;
  /** Bytes of all files of all jobs, a file of several jobs counted once, and jobs that have some. */
  size(): Promise<{ readonly total_size: number; readonly job_count: number }>;
}

/** A stream of ten hours in nine variants has 160,000 segments. */
const RESULT_LIMITS: FolderLimits = { maxFiles: 250_000, maxBytes: 64 * 1024 ** 3 };
/** Folders in which earlier releases received uploads and removed files. */
const FORMER_FOLDERS = ['.uploads/', '.trash/'];

const traversal = (): JobError => new JobError('path_traversal', 'Access denied: path traversal detected');

/**
 * A relative path's segments.
 * @throws JobError `path_traversal` for one that is absolute, climbs, or has characters that no file name of ours has
 */
function segmentsOf(relative: string): string[] {
  if (relative.startsWith('/') || /[\0\\]/.test(relative)) throw traversal();
  const segments = relative.split('/').filter((segment) => segment !== '' && segment !== '.');
  if (segments.includes('..')) throw traversal();
  return segments;
}

const folderOf = (jobId: string): string => `${jobId}/`;
const attemptOf = (jobId: string, attempt: number): string => `${jobId}/attempts/${attempt}/`;

/** The key that a client means: `input/…` as it is, results in the folder of the committed attempt. */
function keyOf({ job_id, committed_attempt }: FilesOf, relative: string): string {
  if (!isJobId(job_id)) throw new JobError('not_found', `Job directory not found for job ${job_id}`);
  const segments = segmentsOf(relative);
  if (segments.length === 0) throw new JobError('not_a_file', `Path is not a file: ${relative}`);
  if (segments[0] === 'input') return folderOf(job_id) + segments.join('/');
  if (committed_attempt === null || segments[0] === 'attempts')
    throw new JobError('not_found', `File not found: ${relative}`);
  return attemptOf(job_id, committed_attempt) + segments.join('/');
}

export class JobFiles implements JobStorage {
  readonly #blobs: BlobStore;
  readonly #limits: FolderLimits;

  /** @param limits of the results of one attempt */
  constructor(blobs: BlobStore, limits: FolderLimits = RESULT_LIMITS) {
    this.#blobs = blobs;
    this.#limits = limits;
  }

  get uploads(): string {
    return this.#blobs.incoming;
  }

  async remove(jobId: string): Promise<boolean> {
    return isJobId(jobId) && this.#blobs.deleteBelow(folderOf(jobId));
  }

  async save(jobId: string, relativePath: string, source: FileSource): Promise<SavedFile> {
    // A stream may break before anybody reads it; the read then fails with the same error.
    if (source instanceof Readable) source.on('error', () => undefined);
    const segments = segmentsOf(relativePath);
    if (segments[0] !== 'input' || segments.length < 2) throw traversal();
    const relative_path = segments.join('/');
    const key = keyOf({ job_id: jobId, committed_attempt: null }, relative_path);
    return {
      relative_path,
      ...(await this.#put(key, source).catch((error) => this.#explain(error, key, relative_path))),
    };
  }

  async #put(key: string, source: FileSource): Promise<{ readonly size: number; readonly hash: string }> {
    if (source instanceof Uint8Array || source instanceof Readable) return this.#putStream(key, source);
    if ('job' in source) return this.#putFileOfJob(key, source);
    if (!source.move) return this.#putStream(key, createReadStream(source.path));
    const { size, sha256 } =
      source.sha256 === undefined
        ? await digestFile(source.path, ['sha256'])
        : { size: (await fs.stat(source.path)).size, sha256: source.sha256 };
    await this.#blobs.putFile(key, source.path);
    return { size, hash: sha256 };
  }

  async #putStream(
    key: string,
    source: Uint8Array | Readable,
  ): Promise<{ readonly size: number; readonly hash: string }> {
    const { size, sha256 } = await this.#blobs.put(key, source);
    return { size, hash: sha256 };
  }

  /** A result is copied, because the task that wrote it chose its mode. */
  async #putFileOfJob(key: string, { job, path: relative, sha256 }: FileOfJob) {
    const from = keyOf(job, relative);
    if (!from.startsWith(`${job.job_id}/input/`))
      return this.#putStream(key, (await this.open(job, relative)).stream());
    await this.#blobs.copy(from, key, { isReadOnly: true }).catch((error) => this.#explain(error, from, relative));
    if (sha256 !== undefined) return { size: (await this.#blobs.head(key))?.size ?? 0, hash: sha256 };
    const digesting = new DigestStream(['sha256']);
    digesting.resume(); // the bytes themselves are not wanted
    await pipeline((await this.#blobs.open(key)).stream(), digesting);
    return { size: digesting.size, hash: digesting.digests().sha256 };
  }

  async deliver(jobId: string, attempt: number, folder: string): Promise<number> {
    if (!existsSync(folder)) return 0; // most tasks without files end here, quickly
    try {
      return await this.#blobs.putFolder(attemptOf(jobId, attempt), folder, this.#limits);
    } catch (error) {
      if (error instanceof BlobError && error.code === 'refused') throw new JobError('result_refused', error.message);
      throw error;
    }
  }

  async removeAttempt(jobId: string, attempt: number): Promise<void> {
    await this.#blobs.deleteBelow(attemptOf(jobId, attempt));
  }

  async open(job: FilesOf, relativePath: string): Promise<JobFile> {
    const key = keyOf(job, relativePath);
    const blob = await this.#blobs.open(key).catch((error) => this.#explain(error, key, relativePath));
    return Object.assign(blob, { name: path.posix.basename(key) });
  }

  async read(job: FilesOf, relativePath: string, maxBytes: number): Promise<Buffer> {
    const key = keyOf(job, relativePath);
    return this.#blobs.read(key, maxBytes).catch((error) => this.#explain(error, key, relativePath));
  }

  async localFile(job: FilesOf, relativePath: string): Promise<string> {
    const key = keyOf(job, relativePath);
    return this.#blobs.localFile(key).catch((error) => this.#explain(error, key, relativePath));
  }

  /** Finds the reason why a file cannot be read. @throws always */
  async #explain(error: unknown, key: string, relative: string): Promise<never> {
    if (!(error instanceof BlobError)) throw error;
    if (error.code === 'outside') throw traversal();
    if (error.code !== 'not_found') throw error;
    const jobId = key.slice(0, key.indexOf('/'));
    if (await this.#hasAny(`${key}/`)) throw new JobError('not_a_file', `Path is not a file: ${relative}`);
    if (await this.#hasAny(folderOf(jobId))) throw new JobError('not_found', `File not found: ${relative}`);
    throw new JobError('not_found', `Job directory not found for job ${jobId}`);
  }

  async #hasAny(prefix: string): Promise<boolean> {
    for await (const _ of this.#blobs.list(prefix)) return true;
    return false;
  }

  async size(): Promise<{ total_size: number; job_count: number }> {
    let job_count = 0;
    for await (const _ of this.jobIds()) job_count++;
    return { total_size: await this.#blobs.sizeBelow(''), job_count };
  }

  sizeOf(jobId: string): Promise<number> {
    return this.#blobs.sizeBelow(folderOf(jobId), 'unshared');
  }

  inputSize(jobId: string): Promise<number> {
    return this.#blobs.sizeBelow(`${jobId}/input/`);
  }

  attemptSize(jobId: string, attempt: number): Promise<number> {
    return this.#blobs.sizeBelow(attemptOf(jobId, attempt));
  }

  /** The ids of the jobs that have files. */
  async *jobIds(): AsyncGenerator<string> {
    for await (const name of this.#blobs.folders('')) if (isJobId(name)) yield name;
  }

  /** Numbers of the attempts that have results. */
  async attempts(jobId: string): Promise<number[]> {
    const found: number[] = [];
    for await (const name of this.#blobs.folders(`${jobId}/attempts/`))
      if (/^\d+$/.test(name)) found.push(Number(name));
    return found;
  }

  /** Whether a job has had no new file since the moment. */
  async isUntouchedSince(jobId: string, moment: number): Promise<boolean> {
    for await (const key of this.#blobs.list(folderOf(jobId)))
      if (((await this.#blobs.head(key))?.placed ?? 0) >= moment) return false;
    return true;
  }

  /** Whether a file that a job's params name is still there. */
  async hasInput(jobId: string, inputPath: string): Promise<boolean> {
    return this.localFile({ job_id: jobId, committed_attempt: null }, inputPath).then(
      () => true,
      () => false,
    );
  }

  /** Removes unfinished uploads and removals that nobody touched since the moment. @returns how many */
  async sweep(untouchedSince: number): Promise<number> {
    for (const folder of FORMER_FOLDERS) await this.#blobs.deleteBelow(folder);
    return this.#blobs.sweep(untouchedSince);
  }
}
