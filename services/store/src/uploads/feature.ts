/** Resumable uploads. */
import type { App } from '@cl-server/service-kit';
import type { Feature, StoreContext } from '../context.js';
import type { EntityService } from '../entities/service.js';
import { ResumableUploads } from './resumable.js';
import { serveUploads } from './routes.js';

/** Finishes the uploads that were complete when an earlier process ended. */
export async function createUploads(
  context: StoreContext,
  app: App,
  { entities }: { readonly entities: EntityService },
): Promise<Feature> {
  const { folder, reader, budget, userOf, now, options } = context;
  const uploads = new ResumableUploads({
    directory: folder.uploads,
    maxBytes: options.maxUploadBytes,
    entities,
    budget,
    view: async (id) => reader.view(await reader.row(id)),
    logger: options.logger,
    now,
  });
  await uploads.recover();
  serveUploads(app, { uploads, authorize: app.authorize, userOf });
  return { close: () => uploads.close() };
}
