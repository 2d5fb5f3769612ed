/** The files of jobs, as the queue, services and workers use them. */
import type { FileHandle } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import type { JobRecord } from '../job.js';

/** A file that was saved. */
export interface SavedFile {
  /** `input/<name>`. */
  readonly relative_path: string;
  readonly size: number;
  /** SHA-256, hex. */
  readonly hash: string;
}

/**
 * Bytes, a stream, or a file to copy. With `move` the file is renamed into place (the source no longer exists afterwards). With
 * `link` it becomes one read-only file under both names, if the file system has links: only for inputs of other jobs,
 * because a task can write to its input. A `sha256` that is known already is not computed again for these two.
 */
export type FileSource =
  | Uint8Array
  | Readable
  | { readonly path: string; readonly move?: boolean; readonly link?: boolean; readonly sha256?: string };

export interface OpenFile extends AsyncDisposable {
  /** Close it, or use `await using`. Reading continues when the job is deleted meanwhile. */
  readonly handle: FileHandle;
  readonly size: number;
  /** Milliseconds. */
  readonly modified: number;
  readonly name: string;
}

/** The job whose files are read: its results are those of its committed attempt. */
export type FilesOf = Pick<JobRecord, 'job_id' | 'committed_attempt'>;

/**
 * Files of jobs: `{storageDir}/{job_id}/input/…` and `{storageDir}/{job_id}/attempts/{n}/…`. Relative paths of clients
 * (`input/a.jpg`, `output/b.json`, `faces/0.png`) never leave the job, by `..` or by symbolic links.
 */
export interface JobStorage {
  /** The storage's folder, absolute; unfinished uploads may lie in `uploads`. */
  readonly root: string;
  /** Folder for unfinished uploads, on the same file system as the jobs; old ones are removed by the reconciler. */
  readonly uploads: string;
  createDirectory(jobId: string): Promise<void>;
  /** Removes a job's files, safely while others read them. @returns whether there were any */
  remove(jobId: string): Promise<boolean>;
  /** Durable when it returns. The name is used as it is. @throws JobError `path_traversal` */
  save(jobId: string, relativePath: string, source: FileSource): Promise<SavedFile>;
  /** Absolute path in the attempt's folder, its parents made. For example `output/a.json`. @throws JobError `path_traversal` */
  allocatePath(jobId: string, attempt: number, relativePath: string): Promise<string>;
  /**
   * Makes an attempt's files durable; before `complete`.
   * @returns their size
   * @throws JobError `result_refused` for links, special files, and too many or too large ones
   */
  seal(jobId: string, attempt: number): Promise<number>;
  /** Folder of an attempt's files; it is created with its first file. */
  attemptFolder(jobId: string, attempt: number): string;
  /** Removes an attempt's folder, for example after a failure. */
  removeAttempt(jobId: string, attempt: number): Promise<void>;
  /** @throws JobError `not_found`, `path_traversal`, `not_a_file` */
  open(job: FilesOf, relativePath: string): Promise<OpenFile>;
  /** Absolute path of a stored file or folder. Without a path: the job's folder. @throws JobError `not_found`, `path_traversal` */
  resolvePath(job: FilesOf, relativePath?: string): Promise<string>;
  /** Bytes that deleting a job frees: not those of files that other jobs have too. */
  sizeOf(jobId: string): Promise<number>;
  /** Bytes of all files of all jobs, a file of several jobs counted once, and jobs that have some. */
  size(): Promise<{ readonly total_size: number; readonly job_count: number }>;
}
