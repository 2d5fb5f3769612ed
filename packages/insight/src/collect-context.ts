/** How the result of a job becomes rows. */

import type { JobRecord, JobStorage } from '@cl-server/jobs';
import type { InsightTransaction, MediaStore } from './port.js';

/** The result of a job. */
export interface JobResult {
  readonly jobId: string;
  readonly output: Readonly<Record<string, unknown>>;
  readonly params: Readonly<Record<string, unknown>>;
  /** A result file as a whole. @throws Error if it has more than 64 MB */
  readFile(name: string): Promise<Buffer>;
}

/** The entity, or the part of it, that the result describes. */
export interface ResultSubject {
  readonly entityId: number;
  /** Empty for an entity as a whole; otherwise the number of a frame or the id of a face. */
  readonly subject: string;
  /** Content of the entity that the job worked on. */
  readonly sha256: string;
}

/** An insight that is to be planned for each subject that this one finds. */
export interface Follower {
  readonly name: string;
  /** Model that its results should be made with, as `modelStamp` writes it. */
  readonly model: string;
  readonly vectorKind: string | undefined;
}

export interface CollectContext {
  readonly media: MediaStore;
  readonly followers: readonly Follower[];
}

/** The data that was read from a result. It is read before the transaction and stored in one transaction. */
export interface Collected {
  /** JSON that `GET /intelligence/entities/{id}/results` shows. */
  readonly value?: unknown;
  /** Numbers of the insight's vector, of any length but zero. */
  readonly vector?: Float32Array;
  /**
   * Writes rows of the insight's own tables. Repeated calls must give the same rows.
   * @returns files to remove after the commit
   */
  readonly store?: (db: InsightTransaction, now: number) => Promise<readonly string[]>;
  /** Files that were made for the rows, to be removed if these are not written. */
  readonly files?: readonly string[];
}

/** Must have no effects except files that it names: a search by picture collects a result that is never stored. */
export type Collect = (result: JobResult, about: ResultSubject, context: CollectContext) => Promise<Collected>;

const MAX_RESULT_BYTES = 64 * 1024 * 1024;

export const jobResult = (job: JobRecord, storage: Pick<JobStorage, 'read'>): JobResult => ({
  jobId: job.job_id,
  output: job.task_output ?? {},
  params: job.params,
  readFile: (name) => storage.read(job, name, MAX_RESULT_BYTES),
});
