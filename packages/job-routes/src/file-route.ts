/** `GET /jobs/{id}/files/…`: a job's input and its committed results, and no other file of the server. */
import { getJobFile } from '@cl-server/contract';
import type { JobRepository, JobStorage } from '@cl-server/jobs';
import { type App, sendOpenFile } from '@cl-server/service-kit';
import mime from 'mime';
import { visibleJob } from './access.js';
import { withHttpErrors } from './http-errors.js';

export interface FileRouteOptions {
  readonly repository: JobRepository;
  readonly storage: JobStorage;
}

export function serveFiles(app: App, { repository, storage }: FileRouteOptions): void {
  app.handle(getJobFile, async ({ params, user, request, reply }) => {
    const job = await visibleJob(repository, user, params.job_id);
    const file = await withHttpErrors(() => storage.open(job, params.file_path));
    return sendOpenFile(request, reply, file, {
      name: file.name,
      contentType: mime.getType(file.name) ?? 'application/octet-stream',
    });
  });
}
