/** The store service: the list of its features. Each has a folder of its own, with its routes and its background work. */
import { STORE_API, storeEndpoints } from '@cl-server/contract';
import { type App, brokerChecks, createApp, databaseAnswers, folderIsUsable } from '@cl-server/service-kit';
import { type Access, createAccess } from './access/feature.js';
import { type Feature, openContext, type StoreContext, type StoreOptions } from './context.js';
import { createEntities } from './entities/feature.js';
import type { StoreEvents } from './events.js';
import { createFiles } from './files/feature.js';
import { createInsight } from './insight/feature.js';
import { createStreams } from './streams/feature.js';
import { createSystem } from './system/feature.js';
import { createUploads } from './uploads/feature.js';

export interface StoreService {
  readonly app: App;
  readonly events: StoreEvents;
  /** @returns the base URL */
  listen(address: { readonly host: string; readonly port: number }): Promise<string>;
  /** Ends requests and completes pending work. */
  close(): Promise<void>;
}

/** Completes or undoes the unfinished work of an earlier process. Then the service can listen. */
export async function createStoreService(options: StoreOptions): Promise<StoreService> {
  const context = await openContext(options);
  const access = await createAccess(context);
  const { signer } = access;
  const app = createStoreApp(context, access);
  access.serve(app);
  serveJobs(context, app);
  const { streams, ...streaming } = createStreams(context, app, { signer });
  const files = await createFiles(context, app, { signer, streams });
  const entities = createEntities(context, app, { files, streams });
  const uploads = await createUploads(context, app, { entities: entities.service });
  const insight = await createInsight(context, app, { streams });
  const system = createSystem(context, app, {
    entities: entities.service,
    orphans: files.orphans,
    insight,
    blobs: [context.folder.blobs, streaming.blobs],
  });
  const features: readonly Feature[] = [access, streaming, files, entities, uploads, insight, system];

  return {
    app,
    events: context.events,
    listen: async (address) => {
      const url = await app.listen(address);
      context.events.listensOn(Number(new URL(url).port));
      for (const feature of features) await feature.start?.();
      return url;
    },
    close: async () => {
      await app.close();
      for (const feature of features.toReversed()) await feature.close();
      await context.close();
    },
  };
}

function createStoreApp(
  { options, folder, identity, jobs, jobService, metrics }: StoreContext,
  { authorize }: Access,
): App {
  const { database, broadcaster, logger, maxUploadBytes: maxBytes } = options;
  return createApp({
    info: STORE_API,
    endpoints: jobService.endpoints(storeEndpoints),
    authorize,
    logger,
    metrics,
    uploads: { folder: folder.incoming, maxBytes },
    checks: {
      database: () => databaseAnswers(database),
      storage: () => folderIsUsable(folder.incoming),
      identity: () => identity.check(),
      'job identity': () => jobs.identity.check(),
      ...options.checks,
    },
    optionalChecks: brokerChecks(broadcaster),
    checkResponses: options.checkResponses ?? false,
    ...options.http,
  });
}

/** Jobs can be created and read at the store, too. Their uploads are received in the folder of job files. */
function serveJobs({ jobs, jobService, options }: StoreContext, app: App): void {
  const uploads = { folder: jobs.storage.uploads, maxBytes: options.maxUploadBytes };
  jobService.api.serve({
    ...app,
    handle: (endpoint, handler, route) => app.handle(endpoint, handler, { uploads, ...route }),
  });
}
