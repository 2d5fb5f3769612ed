/** Entities: their changes, versions, lists and search, and the removal of everything that was made for deleted ones. */
import type { App } from '@cl-server/service-kit';
import type { Feature, StoreContext } from '../context.js';
import type { Files } from '../files/feature.js';
import type { Streams } from '../streams/streams.js';
import { Eraser } from './erase/eraser.js';
import { EntityLister } from './listing/lister.js';
import { SearchTexts } from './listing/search-texts.js';
import { serveEntities } from './routes.js';
import { EntityService } from './service.js';

export interface Entities extends Feature {
  readonly service: EntityService;
}

export function createEntities(
  context: StoreContext,
  app: App,
  { files, streams }: { readonly files: Files; readonly streams: Streams },
): Entities {
  const { db, write, reads, reader, events, budget, limits, jobs, folder, userOf, now, options } = context;
  const { database, broadcaster, logger } = options;
  const { contents, previews, tagReader } = files;
  const eraser = new Eraser({
    db,
    jobs,
    blobs: folder.blobs,
    previews,
    streams,
    broadcaster,
    port: () => events.port,
    logger,
    now,
  });
  const service = new EntityService({
    db,
    write,
    contents,
    events,
    limits,
    budget,
    onContents: () => {
      void contents.removePending();
      eraser.wake();
      tagReader.wake();
    },
  });
  const searchTexts = new SearchTexts({ db, write, logger });
  serveEntities(app, { entities: service, reader, lister: new EntityLister(reads, database.adapter), userOf });
  return {
    service,
    start: () => {
      eraser.start();
      searchTexts.start();
    },
    close: async () => {
      await eraser.close();
      await searchTexts.close();
    },
  };
}
