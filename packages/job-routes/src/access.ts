/** The jobs that a caller may see: a user's own jobs, all jobs for an admin, jobs without an owner for a guest. */
import type { TokenClaims } from '@cl-server/contract';
import type { JobRecord, JobRepository } from '@cl-server/jobs';
import { type HttpError, notFound } from '@cl-server/service-kit';

export type Caller = TokenClaims | null;

export const ownerOf = (caller: Caller): string | null => caller?.id ?? null;

export const maySee = (caller: Caller, job: Pick<JobRecord, 'created_by'>): boolean =>
  caller?.is_admin === true || job.created_by === ownerOf(caller);

export const jobNotFound = (jobId: string): HttpError => notFound(`Job ${jobId} not found`);

/**
 * The job, if the caller may see it.
 * @throws HttpError 404, the same for a job that is another's and for one that is not there
 */
export async function visibleJob(repository: JobRepository, caller: Caller, jobId: string): Promise<JobRecord> {
  const job = await repository.getJob(jobId);
  if (!job || !maySee(caller, job)) throw jobNotFound(jobId);
  return job;
}
