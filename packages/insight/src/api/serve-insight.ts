/** Mounts the insight part of a store's API. */
import type { AuditReport, TokenClaims } from '@cl-server/contract';
import { JobCreation } from '@cl-server/job-routes';
import type { JobEngine } from '@cl-server/jobs';
import type { App, Broadcaster, Database, Logger } from '@cl-server/service-kit';
import type { AnyTask } from '@cl-server/task-kit';
import { OrphanedCrops } from '../cleanup/orphaned-crops.js';
import { OrphanedFaces } from '../cleanup/orphaned-faces.js';
import { OrphanedJobs } from '../cleanup/orphaned-jobs.js';
import { OrphanedStatuses } from '../cleanup/orphaned-statuses.js';
import { OrphanedVectors } from '../cleanup/orphaned-vectors.js';
import type { Orphans } from '../cleanup/orphans.js';
import type { InsightTables } from '../database/tables.js';
import { PersonService } from '../persons/person-service.js';
import type { EntityFeed, EntityView, MediaStore, Reads, RunWrite } from '../port.js';
import type { InsightRegistry } from '../registry.js';
import { Duplicates } from '../search/duplicates.js';
import { interactiveJobs } from '../search/interactive.js';
import { PhashIndex } from '../search/phash-index.js';
import { Search } from '../search/search.js';
import { Similarities } from '../search/similarity.js';
import { openNeighbourSearch } from '../vectors/open-index.js';
import { VectorStore } from '../vectors/vector-store.js';
import { serveInsights } from './insight-routes.js';
import { InsightMonitor } from './monitor.js';
import { servePersons } from './person-routes.js';
import { InsightReader } from './reader.js';
import { serveSearch } from './search-routes.js';

export interface InsightServiceOptions {
  readonly insights: InsightRegistry;
  readonly database: Database<InsightTables>;
  readonly write: RunWrite;
  readonly reads: Reads;
  readonly feed: EntityFeed;
  readonly view: EntityView;
  readonly folder: MediaStore;
  readonly streamsDir: string;
  readonly broadcaster: Broadcaster;
  readonly jobs: Pick<JobEngine, 'repository' | 'storage' | 'events' | 'identity'>;
  readonly tasks: { get(type: string): AnyTask | undefined };
  /** The user that a change is recorded for; null if nobody is logged in. */
  readonly userOf: (claims: TokenClaims | null) => string | null;
  /** The port of the store. It is part of the topics, and known only when the store listens. */
  readonly storePort: () => number;
  readonly logger: Logger;
  readonly now: () => number;
}

export interface InsightService {
  /** Files, rows and messages of insights that nothing refers to any more, for the audit of the store. */
  readonly orphans: {
    readonly crops: Orphans<string>;
    readonly faces: Orphans<AuditReport['orphaned_faces'][number]>;
    readonly vectors: Orphans<AuditReport['orphaned_vectors'][number]>;
    readonly jobs: Orphans<AuditReport['orphaned_jobs'][number]>;
    readonly statuses: Orphans<AuditReport['orphaned_mqtt'][number]>;
  };
  /** To be called when the store listens. */
  start(): Promise<void>;
  close(): Promise<void>;
}

export async function serveInsight(app: App, options: InsightServiceOptions): Promise<InsightService> {
  const { insights: registry, database, write, reads, feed, view, folder, broadcaster, jobs, userOf, now } = options;
  const db = database.kysely;
  const insights = new InsightReader(db, registry);
  const vectors = new VectorStore(database);
  const monitor = new InsightMonitor(broadcaster, db, now);
  const creation = new JobCreation({
    repository: jobs.repository,
    storage: jobs.storage,
    identity: jobs.identity,
    mediaDir: folder.root,
    streamsDir: options.streamsDir,
    maxQueued: Number.MAX_SAFE_INTEGER,
  });
  const index = await openNeighbourSearch(database, options.logger);
  const search = new Search({ index, phashes: new PhashIndex(db), view });

  serveInsights(app, { registry, db, write, view, insights, vectors, monitor, folder, userOf });
  servePersons(app, { persons: new PersonService(db, write), insights, userOf });
  serveSearch(app, {
    registry,
    search,
    similarities: new Similarities(registry, { search, vectors, insights, folder }),
    duplicates: new Duplicates({ reads, feed, view, vectors }),
    interactive: interactiveJobs(jobs, creation, (type) => options.tasks.get(type)),
    storage: jobs.storage,
    view,
    insights,
    vectors,
    incoming: folder.incoming,
  });
  return {
    orphans: {
      crops: new OrphanedCrops(db, folder.blobs, write),
      faces: new OrphanedFaces(db, folder.blobs, write),
      vectors: new OrphanedVectors(registry, feed, reads, write),
      jobs: new OrphanedJobs(db, jobs, now),
      statuses: new OrphanedStatuses(feed, broadcaster, options.storePort),
    },
    start: () => monitor.start(options.storePort()),
    close: () => monitor.close(),
  };
}
