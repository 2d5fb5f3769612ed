/** `GET /jobs/{id}/files/…`: the job's input and its committed results, and nothing else of the server. */
import { getJobFile } from '@cl-server/contract';
import type { JobRepository, JobStorage, OpenFile } from '@cl-server/jobs';
import { type App, badRequest, forbidden, HttpError, notFound, sendOpenFile } from '@cl-server/runtime';
import mime from 'mime';
import { visibleJob } from './access.js';

/** The documented text of each refusal. */
function refusal(error: unknown, path: string): unknown {
  if (!(error instanceof HttpError)) return error;
  if (error.status === 403) return forbidden('Access denied: path traversal detected', { cause: error });
  if (error.status === 404) return notFound(`File not found: ${path}`, { cause: error });
  if (error.status === 400) return badRequest(`Path is not a file: ${path}`, { cause: error });
  return error;
}

export function serveFiles(
  app: App,
  { repository, storage }: { repository: JobRepository; storage: JobStorage },
): void {
  app.handle(getJobFile, async ({ params, user, request, reply }) => {
    const job = await visibleJob(repository, user, params.job_id);
    let file: OpenFile;
    try {
      file = await storage.open(job, params.file_path);
    } catch (error) {
      throw refusal(error, params.file_path);
    }
    return sendOpenFile(request, reply, file, {
      name: file.name,
      contentType: mime.getType(file.name) ?? 'application/octet-stream',
    });
  });
}
