/**
 * The permissions of a caller. It may see its own jobs; an admin sees all jobs, a guest those without an owner. Precedence over
 * other users and paths of the server need a further permission.
 */
import { PERMISSIONS, PRIORITY, type TokenClaims } from '@cl-server/contract';
import type { JobRecord, JobRepository } from '@cl-server/jobs';
import { forbidden, type HttpError, notFound } from '@cl-server/service-kit';

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

/**
 * The priority that counts. Existing clients send any number, so a request is never refused for it: without the right, what
 * is above the default counts as the default.
 * @param trustsAll whether the service runs without authentication
 */
export function grantedPriority<P extends number | undefined>(
  priority: P,
  caller: Caller,
  trustsAll: boolean,
): P | number {
  if (priority === undefined || priority <= PRIORITY.default) return priority;
  const granted = trustsAll || caller?.is_admin === true || caller?.permissions.includes(PERMISSIONS.jobPriority);
  return granted ? priority : PRIORITY.default;
}

const ABSOLUTE = /_absolute_path$/;

/** The fields that name files of the server. */
const absolutePaths = (params: Readonly<Record<string, unknown>>): string[] =>
  Object.keys(params).filter((name) => ABSOLUTE.test(name) && (params[name] ?? '') !== '');

/** @throws HttpError 403 if a field names a file of the server */
export function refuseAbsolutePaths(params: Readonly<Record<string, unknown>>): void {
  const [name] = absolutePaths(params);
  if (name === undefined) return;
  throw forbidden(`${name} is for the server's own jobs: send the file, or ask the store for the stream of an entity`, {
    code: 'server_path',
  });
}
