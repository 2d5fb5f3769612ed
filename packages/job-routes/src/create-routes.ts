/** `POST /jobs/{task}`: one route for each task, with its own form, and a clear word for a task that is not there. */
import { createJob } from '@cl-server/contract';
import { type App, HttpError, invalidField, notFound, type ReceivedFile } from '@cl-server/service-kit';
import { grantedPriority, ownerOf } from './access.js';
import type { CreationInput, JobCreation } from './creation.js';
import type { TaskRoute } from './endpoints.js';

const MAX_KEY = 200;

/** @throws HttpError 400 */
export function idempotencyKeyOf(header: string | string[] | undefined): string | undefined {
  if (header === undefined) return undefined;
  if (typeof header === 'string' && header.length <= MAX_KEY && /^[\x21-\x7e]+$/.test(header)) return header;
  throw new HttpError(400, `Idempotency-Key must be 1 to ${MAX_KEY} printable characters without spaces`);
}

/** The last file counts, as with every repeated field. A browser's empty file field is no file. */
function uploadOf({ task }: TaskRoute, files: readonly ReceivedFile[]): CreationInput | undefined {
  const file = files.findLast(({ field }) => field === 'file');
  if (!file) return undefined;
  if (file.filename === '') {
    if (task.file === 'optional' && file.size === 0) return undefined;
    throw invalidField('body', 'file', 'Value error, Expected a file with a name');
  }
  return { name: file.filename, size: file.size, source: { path: file.path, move: true, sha256: file.sha256 } };
}

export interface CreateRoutesOptions {
  readonly creation: JobCreation;
  /** Whether the service runs without authentication. */
  readonly trustsAll: boolean;
}

export function serveCreation(
  app: App,
  routes: readonly TaskRoute[],
  { creation, trustsAll }: CreateRoutesOptions,
): void {
  for (const route of routes)
    app.handle(route.endpoint, ({ form, files, user, request }) => {
      const { priority, ...params } = form;
      return creation.create({
        task: route.task,
        params,
        priority: grantedPriority(priority, user, trustsAll),
        input: uploadOf(route, files),
        owner: ownerOf(user),
        idempotencyKey: idempotencyKeyOf(request.headers['idempotency-key']),
      });
    });

  const known = routes.map(({ task }) => task.type).join(', ');
  // Without form and files: the body of a request for nothing is not read.
  const { form: _form, files: _files, ...unknownTask } = createJob;
  app.handle(unknownTask, ({ params }) => {
    throw notFound(`There is no task "${params.task_type}". Known tasks: ${known || 'none'}`, { code: 'unknown_task' });
  });
}
