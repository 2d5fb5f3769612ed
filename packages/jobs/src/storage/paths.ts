import fsp from 'node:fs/promises';
import path from 'node:path';
import { errorCode, isMissing, isWithin } from '@cl-server/kit';
import { JobError } from '../errors.js';
import { isJobId } from '../job.js';
import type { FilesOf } from './storage.js';

export const traversal = (): JobError => new JobError('path_traversal', 'Access denied: path traversal detected');
export const fileMissing = (relative: string): JobError => new JobError('not_found', `File not found: ${relative}`);
const folderMissing = (jobId: string): JobError =>
  new JobError('not_found', `Job directory not found for job ${jobId}`);

/**
 * A relative path's segments.
 * @throws JobError `path_traversal` for one that is absolute, climbs, or has characters that no file name of ours has
 */
export function segmentsOf(relative: string): string[] {
  if (relative.startsWith('/') || /[\0\\]/.test(relative)) throw traversal();
  const segments = relative.split('/').filter((segment) => segment !== '' && segment !== '.');
  if (segments.includes('..')) throw traversal();
  return segments;
}

/** The paths of a job's files. */
export class JobPaths {
  constructor(readonly root: string) {}

  /** @throws JobError `not_found` for what cannot be a job's id */
  job(jobId: string): string {
    if (!isJobId(jobId)) throw folderMissing(jobId);
    return path.join(this.root, jobId);
  }

  attempt(jobId: string, attempt: number): string {
    return path.join(this.job(jobId), 'attempts', String(attempt));
  }

  /** The path that a client means: `input/…` as it is, results in the committed attempt's folder. */
  locate({ job_id, committed_attempt }: FilesOf, relative: string): string {
    const segments = segmentsOf(relative);
    if (segments[0] === undefined) return this.job(job_id);
    if (segments[0] === 'input') return path.join(this.job(job_id), ...segments);
    if (committed_attempt === null || segments[0] === 'attempts') throw fileMissing(relative);
    return path.join(this.attempt(job_id, committed_attempt), ...segments);
  }

  /**
   * The real path of what exists, every link followed.
   * @throws JobError `not_found`, or `path_traversal` if a link leads out of the job
   */
  async real(job: FilesOf, relative: string): Promise<string> {
    const located = this.locate(job, relative);
    const home = await fsp.realpath(this.job(job.job_id)).catch((error: unknown) => {
      throw isMissing(error) ? folderMissing(job.job_id) : error;
    });
    const found = await fsp.realpath(located).catch((error: unknown) => {
      if (errorCode(error) === 'ELOOP') throw traversal();
      throw isMissing(error) ? fileMissing(relative) : error;
    });
    if (!isWithin(home, found)) throw traversal();
    return found;
  }
}
