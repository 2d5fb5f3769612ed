/**
 * The job engine's public face: what its users (services, workers) are given. Times are milliseconds since 1970 UTC,
 * sizes are bytes, percentages are integers from 0 to 100.
 */

import type { FileHandle } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import type { Job, JobErrorCode, JobEvent, JobStatus, JobStatusFilter } from '@cl-server/contract';

/** What a job is made from. */
export interface NewJob {
  /** From `newJobId()`; made before the row, because the files lie in a folder of that name. */
  readonly job_id: string;
  readonly task_type: string;
  readonly params: Readonly<Record<string, unknown>>;
  /** 0 to 10; default 5. */
  readonly priority?: number;
  readonly created_by?: string | null;
  /** Automatic tries after the first; default 3. */
  readonly max_retries?: number;
  /** Longest run of one attempt; default 600,000. */
  readonly timeout_ms?: number;
  /** Unique for its creator: a second job with the same key is not made. */
  readonly idempotency_key?: string;
  /** Hash of the request; with the same key and another fingerprint the answer is `conflict`. */
  readonly fingerprint?: string;
  /** SHA-256 of the input: a file on which a task crashed twice is quarantined, whichever job brings it. */
  readonly input_sha256?: string;
  /** Size of its input files; default 0. */
  readonly input_bytes?: number;
}

/** A user's budget, and what of it is used. */
export interface OverBudget {
  readonly used: number;
  readonly allowed: number;
}

export interface AddOptions {
  /** Bytes that the creator may keep in all, these inputs included; checked in the same transaction. 0: no limit. */
  readonly maxBytes?: number;
  /** Queued jobs that the creator may have at once, this one included; checked in the same transaction. */
  readonly maxQueued?: number;
}

/** What became of an `addJob`. */
export type AddResult =
  | { readonly outcome: 'created'; readonly job: JobRecord }
  /** The idempotency key was used for the same request: its job. The caller removes the folder it made. */
  | { readonly outcome: 'existing'; readonly job: JobRecord }
  /** The idempotency key was used for another request. */
  | { readonly outcome: 'conflict'; readonly job: JobRecord }
  /** With its input, the creator would keep more than `maxBytes`. */
  | ({ readonly outcome: 'over_budget' } & OverBudget)
  /** The creator has `maxQueued` jobs waiting. */
  | { readonly outcome: 'limited'; readonly queued: number };

/** A job as it is stored: what clients see (`jobView`) and what only servers do. */
export interface JobRecord extends Job {
  /** Claims so far; the running attempt's number while `processing`. Never reused, not after a retry either. */
  readonly attempt: number;
  /** The attempt whose files are the job's results; null until completed. */
  readonly committed_attempt: number | null;
  readonly timeout_ms: number;
  /** A running job that somebody wants stopped. */
  readonly cancel_requested: boolean;
  readonly lease_until: number | null;
  /** While queued: not to be claimed before. */
  readonly run_after: number | null;
  readonly worker_id: string | null;
  readonly input_sha256: string | null;
}

export interface ClaimRequest {
  readonly workerId: string;
  /** Task types that the worker can start, each with the number of jobs it can take at most. */
  readonly types: Readonly<Record<string, number>>;
  /** Most jobs in all. */
  readonly limit: number;
  /** Only jobs of this priority or higher: a worker's slot kept free for interactive work. */
  readonly minPriority?: number;
  /** Of each type at most one `share`th of what is queued, rounded down: the rest is for others who have nothing to do. */
  readonly share?: number;
  /** Length of the lease; default the engine's. */
  readonly leaseMs?: number;
}

/** A job given to a worker. All later calls carry `job_id` and `token`; a token that is not the newest is refused. */
export interface Claim {
  readonly job: JobRecord;
  /** Fencing token: attempt number and a random part. */
  readonly token: string;
  readonly attempt: number;
  readonly leaseUntil: number;
}

export interface Fence {
  readonly job_id: string;
  readonly token: string;
}

/** `ok`: goes on. `cancel`: stop and call `fail` with `cancelled`. `lost`: stop, nothing more is accepted. */
export type LeaseState = 'ok' | 'cancel' | 'lost';

export interface RenewAnswer extends Fence {
  readonly state: LeaseState;
}

export interface Completion extends Fence {
  /** `task_output`; null is SQL NULL. */
  readonly output: Readonly<Record<string, unknown>> | null;
  /** Size of the sealed results; default 0. */
  readonly result_bytes?: number;
}

export interface Failure extends Fence {
  readonly code: JobErrorCode;
  /** Shown to clients: a sentence without server paths. */
  readonly message: string;
  /** Queued again with a delay while tries are left; default false. */
  readonly retryable?: boolean;
  /** The task's process died on it: counted per task and input, quarantined at the second time. Implies retryable. */
  readonly crashed?: boolean;
  /** Given back unharmed (shutdown): queued again at once, no try counted. Code and message are not stored. */
  readonly released?: boolean;
}

export interface ProgressReport extends Fence {
  /** Clamped to 0..99 and never lowered. */
  readonly percent: number;
}

export type CancelResult =
  /** Ended now. */
  | { readonly outcome: 'cancelled'; readonly job: JobRecord }
  /** Its worker was asked to stop. */
  | { readonly outcome: 'requested'; readonly job: JobRecord }
  | { readonly outcome: 'ended'; readonly job: JobRecord }
  | { readonly outcome: 'missing' };

export type RetryResult =
  | { readonly outcome: 'queued'; readonly job: JobRecord }
  | { readonly outcome: 'not_failed'; readonly job: JobRecord }
  | { readonly outcome: 'limited'; readonly queued: number }
  | { readonly outcome: 'missing' };

export interface ListFilter {
  readonly status?: JobStatusFilter | undefined;
  readonly task_type?: string | undefined;
  /** A user's id; null for the jobs that belong to nobody. */
  readonly created_by?: string | null | undefined;
  /** This moment and later. */
  readonly created_after?: number | undefined;
  /** Earlier than this moment. */
  readonly created_before?: number | undefined;
  /** In task, id, params or error message; case does not count. */
  readonly q?: string | undefined;
  /** Of the page before. @throws HttpError 400 for one that was never given out */
  readonly cursor?: string | undefined;
  /** Default 50. */
  readonly limit?: number | undefined;
}

/** Newest first. */
export interface JobPage {
  readonly items: readonly JobRecord[];
  readonly next_cursor: string | null;
  /** Exact up to 10,000 matches; beyond, 10,000 with `total_is_estimate`. */
  readonly total: number;
  readonly total_is_estimate: boolean;
}

export interface QueueStats {
  readonly task_type: string;
  readonly queued: number;
  readonly processing: number;
  /** Age of the oldest queued job in milliseconds; null where none waits. */
  readonly oldest_queued_ms: number | null;
}

export interface Stats {
  readonly by_task: readonly QueueStats[];
  /** Status changes not yet handed to the broker. */
  readonly outbox: number;
}

/** Seed names kept: `addJob`, `getJob`, `updateJob`, `fetchNextJob`, `deleteJob`. */
export interface JobRepository {
  addJob(job: NewJob, options?: AddOptions): Promise<AddResult>;
  /** All in one transaction; results in order. Concurrent `addJob` calls are grouped by themselves. */
  addJobs(jobs: readonly NewJob[], options?: AddOptions): Promise<readonly AddResult[]>;
  getJob(jobId: string): Promise<JobRecord | undefined>;
  getJobs(jobIds: readonly string[]): Promise<ReadonlyMap<string, JobRecord>>;
  /** Highest priority first, then oldest. Also puts jobs whose lease ran out back into the queue. */
  claim(request: ClaimRequest): Promise<readonly Claim[]>;
  /** One job, as the seed had it. */
  fetchNextJob(taskTypes: readonly string[], workerId?: string): Promise<Claim | undefined>;
  /** Extends leases by their length from now; answers in order. */
  renew(fences: readonly Fence[], leaseMs?: number): Promise<readonly RenewAnswer[]>;
  /** @returns which were accepted, in order */
  progress(reports: readonly ProgressReport[]): Promise<readonly boolean[]>;
  /** Commits results: attempt number, output and status at once. @returns which were accepted, in order */
  complete(completions: readonly Completion[]): Promise<readonly boolean[]>;
  /** @returns the job as it is afterwards (failed, or queued again), undefined where refused; in order */
  fail(failures: readonly Failure[]): Promise<readonly (JobRecord | undefined)[]>;
  /** One report in the seed's form, fenced like the others: completion, failure or progress. */
  updateJob(fence: Fence, update: JobUpdate): Promise<boolean>;
  cancel(jobId: string): Promise<CancelResult>;
  /** A failed job is queued again, its tries counted anew, its quarantine lifted. */
  retry(jobId: string, options?: AddOptions): Promise<RetryResult>;
  /** Row and files. A running one loses its fence, so its worker stops. @returns false where there is none */
  deleteJob(jobId: string): Promise<boolean>;
  list(filter: ListFilter): Promise<JobPage>;
  counts(createdBy?: string): Promise<Readonly<Record<JobStatus, number>>>;
  stats(): Promise<Stats>;
  /** Removes jobs, rows and files, that ended before the moment, at most so many. Counts jobs and freed bytes. */
  cleanup(
    endedBefore: number,
    most?: number,
  ): Promise<{ readonly deleted_count: number; readonly freed_space: number }>;
  /** Fails queued jobs of a task for good, e.g. where every worker reports its model missing. @returns how many */
  failQueued(taskType: string, code: JobErrorCode, message: string): Promise<number>;
}

export interface JobUpdate {
  readonly status?: JobStatus;
  readonly progress?: number;
  readonly output?: Readonly<Record<string, unknown>> | null;
  readonly error_message?: string;
  readonly error_code?: JobErrorCode;
}

/** Of a saved file. */
export interface SavedFile {
  /** `input/<name>`. */
  readonly relative_path: string;
  readonly size: number;
  /** SHA-256, hex. */
  readonly hash: string;
}

/**
 * Bytes, a stream, or a file to copy. With `move` the file is renamed into place (the source is gone afterwards). With
 * `link` it becomes one read-only file under both names, where the file system has links: only for inputs of other jobs,
 * because a task can write to its input. A `sha256` that is known already is not computed again for these two.
 */
export type FileSource =
  | Uint8Array
  | Readable
  | { readonly path: string; readonly move?: boolean; readonly link?: boolean; readonly sha256?: string };

export interface OpenFile extends AsyncDisposable {
  /** Close it, or `await using`. Reading goes on safely when the job is removed meanwhile. */
  readonly handle: FileHandle;
  readonly size: number;
  /** Milliseconds. */
  readonly modified: number;
  readonly name: string;
}

/** A job whose files are asked for: the results are those of its committed attempt. */
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
  /** Safe while others read. @returns whether there was one */
  remove(jobId: string): Promise<boolean>;
  /** Durable when it returns. The name is taken as it is: see `safeFileName` of the runtime. @throws HttpError 403, 507 */
  save(jobId: string, relativePath: string, source: FileSource): Promise<SavedFile>;
  /** Absolute path in the attempt's folder, its parents made. `output/a.json`, `faces/1.png`. @throws HttpError 403 */
  allocatePath(jobId: string, attempt: number, relativePath: string): Promise<string>;
  /**
   * Makes an attempt's files durable; before `complete`.
   * @returns their size
   * @throws HttpError 400 `result_refused` for links, special files, and too many or too large ones
   */
  seal(jobId: string, attempt: number): Promise<number>;
  /** Removes an attempt's folder, e.g. after a failure. */
  removeAttempt(jobId: string, attempt: number): Promise<void>;
  /** @throws HttpError 404 missing, 403 leads out, 400 not a file */
  open(job: FilesOf, relativePath: string): Promise<OpenFile>;
  /** Absolute path of a stored file or folder. Without a path: the job's folder. @throws HttpError 404, 403 */
  resolvePath(job: FilesOf, relativePath?: string): Promise<string>;
  /** Bytes of all files of all jobs, a file of several jobs counted once, and jobs that have some. */
  size(): Promise<{ readonly total_size: number; readonly job_count: number }>;
}

export type JobEventListener = (event: JobEvent) => void;

/** Tells the world of jobs: `inference/events`, `job/status/{id}`, and listeners in this process. */
export interface JobEvents {
  /** Events of every process while a broker is there, else of this process. @returns a function that stops it */
  subscribe(listener: JobEventListener): () => void;
  /**
   * The job now and at every change, until its end; by events, and by looking every second where none come.
   * Ends at once for a missing job. Slow readers see the newest state, not every one.
   */
  watch(jobId: string, options: { readonly signal: AbortSignal }): AsyncIterable<JobRecord>;
  /** Publishes what a process that died, or a broker that was away, left behind. @returns how many */
  relay(): Promise<number>;
  /** Waits until all that was committed here is with the broker, or known to the outbox as not. */
  flush(): Promise<void>;
}

/** What one pass of the reconciler found and mended. */
export interface ReconcileReport {
  readonly leases_expired: number;
  readonly requeued: number;
  readonly failed_worker_lost: number;
  /** Queued jobs whose input folder is gone: failed for good. */
  readonly jobs_without_files: number;
  /** Queued jobs of tasks that no worker can run: failed for good. */
  readonly jobs_without_worker: number;
  /** Jobs of an earlier release whose files were counted for their users. */
  readonly jobs_measured: number;
  /** Jobs that ended longer ago than ended jobs are kept. */
  readonly ended_jobs_removed: number;
  readonly directories_removed: number;
  readonly attempts_removed: number;
  readonly uploads_removed: number;
  readonly events_relayed: number;
  readonly statuses_cleared: number;
  readonly statuses_corrected: number;
}

export interface Reconciler {
  /** Cheap: expired leases, unsent events. Every few seconds. */
  quick(): Promise<ReconcileReport>;
  /** Everything, folders too. Every few minutes, and at start. */
  full(): Promise<ReconcileReport>;
  /** Runs both by the clock until the signal; logs what was mended. Several processes may. */
  run(signal: AbortSignal, options?: { readonly quickEveryMs?: number; readonly fullEveryMs?: number }): Promise<void>;
}

/** Numbers for a metrics page; all optional. Durations in seconds. */
export interface JobMetrics {
  claimed?(taskType: string, waitSeconds: number): void;
  completed?(taskType: string, runSeconds: number): void;
  failed?(taskType: string, code: JobErrorCode, runSeconds: number): void;
  retried?(taskType: string, code: JobErrorCode): void;
  leaseExpired?(taskType: string): void;
  /** A late writer was turned away. */
  fenced?(operation: 'renew' | 'progress' | 'complete' | 'fail'): void;
}

/** A service's preferences: words by key, with who set them when. */
export interface Preferences {
  get(key: string): Promise<Preference | undefined>;
  set(key: string, value: string, updatedBy: string | null): Promise<Preference>;
}
export interface Preference {
  readonly value: string;
  readonly updated_at: number;
  readonly updated_by: string | null;
}
