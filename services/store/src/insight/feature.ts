/** Insight (`packages/insight`) on the entities of this store. */
import { InsightRegistry, type InsightService, serveInsight } from '@cl-server/insight';
import type { App } from '@cl-server/service-kit';
import type { StoreContext } from '../context.js';
import { searchScope } from '../entities/listing/search-scope.js';
import type { Streams } from '../streams/streams.js';
import { entityFeed } from './entity-feed.js';
import { entityView } from './entity-view.js';
import { storeInsights } from './store-insights.js';

export function createInsight(
  context: StoreContext,
  app: App,
  { streams }: { readonly streams: Streams },
): Promise<InsightService> {
  const { db, write, reads, reader, folder, events, jobs, userOf, now, options } = context;
  const { database, streamsDir, broadcaster, tasks, logger } = options;
  return serveInsight(app, {
    insights: new InsightRegistry([...storeInsights(folder.blobs), ...(options.insights ?? [])]),
    database,
    write,
    reads,
    feed: entityFeed(database, folder.blobs),
    view: entityView({ db, reader, matching: searchScope(reads, database.adapter), streams }),
    folder,
    streamsDir,
    broadcaster,
    jobs,
    tasks,
    userOf,
    storePort: () => events.port,
    logger,
    now,
  });
}
