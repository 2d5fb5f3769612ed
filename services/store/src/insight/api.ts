/** The insight part of the store's API, put together. */
import fs from 'node:fs/promises';
import path from 'node:path';
import { JobCreation } from '@cl-server/job-routes';
import type { JobEngine } from '@cl-server/jobs';
import type { App, Broadcaster, Database } from '@cl-server/service-kit';
import type { AnyTask } from '@cl-server/task-kit';
import type { Reads } from '../database/reads.js';
import type { StoreTables } from '../database/tables.js';
import type { RunWrite } from '../database/transaction.js';
import type { EntityReader } from '../entities/reader.js';
import type { StoreEvents } from '../events.js';
import type { MediaFolder } from '../files/media-folder.js';
import type { Streams } from '../files/streams.js';
import { PersonService } from '../persons/person-service.js';
import type { UserOf } from '../routes/entities.js';
import { serveInsights } from '../routes/insights.js';
import { servePersons } from '../routes/persons.js';
import { serveSearch } from '../routes/search.js';
import { Duplicates } from '../search/duplicates.js';
import { interactiveJobs } from '../search/interactive.js';
import { PhashIndex } from '../search/phash-index.js';
import { searchScope } from '../search/scope.js';
import { Search } from '../search/search.js';
import { Similarities } from '../search/similarity.js';
import type { NeighbourSearch } from '../vectors/neighbour-search.js';
import { VectorStore } from '../vectors/vector-store.js';
import { InsightMonitor } from './monitor.js';
import { InsightReader } from './reader.js';
import type { InsightRegistry } from './registry.js';

export interface InsightApiOptions {
  readonly insights: InsightRegistry;
  readonly database: Database<StoreTables>;
  readonly write: RunWrite;
  readonly reads: Reads;
  readonly reader: EntityReader;
  readonly index: NeighbourSearch;
  readonly folder: MediaFolder;
  readonly streamsDir: string;
  readonly streams: Pick<Streams, 'status'>;
  readonly events: StoreEvents;
  readonly broadcaster: Broadcaster;
  readonly jobs: Pick<JobEngine, 'repository' | 'storage' | 'events' | 'identity'>;
  readonly tasks: { get(type: string): AnyTask | undefined };
  readonly userOf: UserOf;
  readonly now: () => number;
}

export interface InsightApi {
  serve(app: App): void;
  /** The port is part of the topics, and it is known only when the service listens. */
  listensOn(port: number): Promise<void>;
  close(): Promise<void>;
}

/** Folder of an entity's face crops, absolute. */
const cropFolder = (folder: MediaFolder, entityId: number): string =>
  path.join(folder.derived, 'faces', String(entityId));

export function createInsightApi(options: InsightApiOptions): InsightApi {
  const {
    insights: registry,
    database,
    write,
    reads,
    reader,
    folder,
    events,
    broadcaster,
    jobs,
    tasks,
    userOf,
    now,
  } = options;
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
  const search = new Search({
    db,
    index: options.index,
    phashes: new PhashIndex(db),
    scope: searchScope(reads, database.adapter),
    reader,
  });
  // The rows were deleted with the entity; the crops are files.
  const stop = events.subscribe(({ id, change }) => {
    if (change === 'removed') void fs.rm(cropFolder(folder, id), { recursive: true, force: true });
  });

  return {
    serve(app) {
      serveInsights(app, {
        registry,
        db,
        write,
        reader,
        insights,
        vectors,
        monitor,
        folder,
        streams: options.streams,
        userOf,
      });
      servePersons(app, { persons: new PersonService(db, write), insights, userOf });
      serveSearch(app, {
        registry,
        search,
        similarities: new Similarities(registry, { search, vectors, insights, folder }),
        duplicates: new Duplicates({ db, reads, reader, vectors }),
        interactive: interactiveJobs(jobs, creation, (type) => tasks.get(type)),
        storage: jobs.storage,
        reader,
        insights,
        vectors,
        incoming: folder.incoming,
      });
    },
    listensOn: (port) => monitor.start(port),
    close: async () => {
      stop();
      await monitor.close();
    },
  };
}
