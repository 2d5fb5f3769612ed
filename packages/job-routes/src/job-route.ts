/** One job and lists of jobs: read, cancel, retry, delete. */
import { cancelJob, deleteJob, getJob, type JobList, listJobs, retryJob } from '@cl-server/contract';
import { type JobRepository, jobView } from '@cl-server/jobs';
import { type App, conflict } from '@cl-server/service-kit';
import { jobNotFound, maySee, ownerOf, refuseAbsolutePaths, visibleJob } from './access.js';
import { tooManyQueued } from './creation.js';
import { withHttpErrors } from './http-errors.js';

export interface JobRouteOptions {
  readonly repository: JobRepository;
  readonly maxQueued: number;
}

const NOTHING: JobList = { items: [], next_cursor: null, total: 0, total_is_estimate: false };

export function serveJobs(app: App, { repository, maxQueued }: JobRouteOptions): void {
  app.handle(getJob, async ({ params, user }) => jobView(await visibleJob(repository, user, params.job_id)));

  app.handle(listJobs, async ({ query, user }) => {
    const { created_by } = query;
    if (created_by !== undefined && !maySee(user, { created_by })) return NOTHING;
    const owner = user?.is_admin ? created_by : ownerOf(user);
    const page = await withHttpErrors(() => repository.list({ ...query, created_by: owner }));
    return { ...page, items: page.items.map(jobView) };
  });

  app.handle(cancelJob, async ({ params: { job_id }, user }) => {
    await visibleJob(repository, user, job_id);
    const result = await repository.cancel(job_id);
    if (result.outcome === 'missing') throw jobNotFound(job_id);
    // Cancelling twice is not an error: the job is cancelled.
    if (result.outcome === 'ended' && result.job.error_code !== 'cancelled')
      throw conflict(`Job ${job_id} has already ended: it is ${result.job.status}`, { code: 'job_ended' });
    return jobView(result.job);
  });

  app.handle(retryJob, async ({ params: { job_id }, user }) => {
    const job = await visibleJob(repository, user, job_id);
    if (!user?.is_admin) refuseAbsolutePaths(job.params);
    const result = await repository.retry(job_id, { maxQueued });
    if (result.outcome === 'missing') throw jobNotFound(job_id);
    if (result.outcome === 'limited') throw tooManyQueued(result.queued);
    if (result.outcome === 'not_failed')
      throw conflict(`Job ${job_id} is ${result.job.status}: only a failed job can be tried again`, {
        code: 'job_not_failed',
      });
    return jobView(result.job);
  });

  app.handle(deleteJob, async ({ params: { job_id }, user }) => {
    await visibleJob(repository, user, job_id);
    if (!(await repository.deleteJob(job_id))) throw jobNotFound(job_id);
  });
}
