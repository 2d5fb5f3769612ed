/** `m-insight-worker`: from settings to a running insight worker. */
import { TOPICS, workerCapability } from '@cl-server/contract';
import { JobCreation } from '@cl-server/job-routes';
import { type JobTables, openJobs } from '@cl-server/jobs';
import { findProgram } from '@cl-server/kit';
import { ModelStore } from '@cl-server/models';
import {
  type Broadcaster,
  broadcasterFromSettings,
  type ConfigSources,
  configOrHelp,
  createLogger,
  type Database,
  type Folders,
  foldersOf,
  jobStatusWanted,
  openDataDir,
  type RunningProgram,
  type Values,
} from '@cl-server/service-kit';
import { discoverTasks } from '@cl-server/task-kit';
import { builtInInsights } from '../built-in/index.js';
import type { InsightTables } from '../database/tables.js';
import type { Insight } from '../define.js';
import { EntityInputs } from '../inputs.js';
import { DEFAULT_RULES } from '../persons/assign.js';
import { assignFaces, dropEmptyPersons } from '../persons/cluster-faces.js';
import { discoverInsights } from '../plugins.js';
import type { EntityFeed, MediaStore, RunWrite } from '../port.js';
import { InsightRegistry } from '../registry.js';
import { PhashIndex } from '../search/phash-index.js';
import { openNeighbourSearch } from '../vectors/open-index.js';
import { ResultCollector } from './collect-results.js';
import { Dispatcher } from './dispatch.js';
import { InsightWorker } from './insight-worker.js';
import { pairDuplicates } from './pair-duplicates.js';
import { insightSettings } from './settings.js';
import { offlineMessage, StatusPublisher } from './status-publisher.js';
import { sweepCrops } from './sweep.js';
import { readWantedModels } from './wanted-models.js';

const PROGRAM = 'm-insight-worker';
/** A worker that missed this many heartbeats counts as gone. */
const MAX_MISSED_HEARTBEATS = 3;

/** Wakes the worker when media are added and when a worker announces what it can run. */
async function listen(
  broadcaster: Broadcaster,
  worker: InsightWorker,
  topics: { readonly items: string; readonly workers: string },
): Promise<void> {
  await broadcaster.subscribe(topics.items, () => worker.wake());
  await broadcaster.subscribe(`${topics.workers}/+`, (_topic, payload) => {
    if (payload.length === 0) return;
    try {
      workerCapability.parse(JSON.parse(payload.toString('utf8')));
      worker.announced();
    } catch {
      // It is not a worker's message: a shared broker may carry anything.
    }
  });
}

/** The store that the worker works for. */
export interface InsightStore {
  readonly database: Database<InsightTables>;
  readonly jobDatabase: Database<JobTables>;
  readonly write: RunWrite;
  readonly feed: EntityFeed;
  readonly media: MediaStore;
  /** Insights that the store adds to the built-in ones. */
  readonly insights: readonly Insight[];
  /** The reason why the media folder cannot be used; undefined if it belongs to the database. */
  mismatch(): Promise<string | undefined>;
  close(): Promise<void>;
}

export type OpenInsightStore = (
  settings: Values<typeof insightSettings>,
  place: { readonly dataDir: string; readonly folders: Folders },
) => Promise<InsightStore>;

/** @returns undefined if only the help was requested */
export async function startInsightWorker(
  sources: ConfigSources,
  openStore: OpenInsightStore,
): Promise<RunningProgram | undefined> {
  const config = configOrHelp({
    program: PROGRAM,
    description: 'analyses the photos and videos of a store: hashes, vectors, faces, previews',
    settings: insightSettings,
    ...sources,
  });
  if (!config) return undefined;
  const settings = config.values;
  const dataDir = openDataDir(settings.dataDir, { create: false });
  const logger = createLogger({ name: PROGRAM, level: settings.logLevel }).child({ process: settings.processId });
  const folders = foldersOf(settings, dataDir);
  const store = await openStore(settings, { dataDir, folders });
  const { database, write, feed, media } = store;
  const now = Date.now;
  const db = database.kysely;
  const broadcaster = await broadcasterFromSettings(settings, dataDir, logger, {
    will: offlineMessage(settings.storePort, now()),
  });
  const jobs = openJobs({
    database: store.jobDatabase,
    storageDir: folders.jobs,
    broadcaster,
    logger,
    eventsTopic: settings.mqttTopic,
    jobStatusTopic: jobStatusWanted(settings),
    workerMaxAgeMs: MAX_MISSED_HEARTBEATS * settings.mqttHeartbeatInterval * 1000,
  });
  const tasks = await discoverTasks({ pluginsDir: folders.plugins });
  const index = await openNeighbourSearch(database, logger);
  const phashes = new PhashIndex(db);
  const models = new ModelStore({ dir: folders.models });
  const known = [...builtInInsights, ...store.insights];
  const insights = new InsightRegistry([
    ...known,
    ...(await discoverInsights({ known, pluginsDir: folders.plugins, logger })),
  ]);
  const publisher = new StatusPublisher({ db, insights, broadcaster, storePort: settings.storePort, now });
  await publisher.start();
  const worker = new InsightWorker({
    db,
    write,
    feed,
    insights,
    media,
    dispatcher: new Dispatcher({
      db,
      write,
      feed,
      insights,
      creation: new JobCreation({
        ...jobs,
        mediaDir: media.root,
        streamsDir: folders.streams,
        maxQueued: Number.MAX_SAFE_INTEGER,
      }),
      task: (type) => tasks.get(type),
      inputs: new EntityInputs({
        db,
        feed,
        media,
        tools: {
          ffmpeg: findProgram('ffmpeg', settings.ffmpegPath, sources.env['PATH']),
          ffprobe: findProgram('ffprobe', settings.ffprobePath, sources.env['PATH']),
        },
      }),
      logger,
      maxRunning: settings.maxRunning,
    }),
    collector: new ResultCollector({ db, write, feed, insights, jobs, media, logger }),
    publisher,
    derive: async () => {
      await pairDuplicates(db, write, feed, phashes);
      await assignFaces({ db, write, index, rules: { ...DEFAULT_RULES, sameAbove: settings.faceMatch } });
    },
    sweep: async () => {
      await sweepCrops(feed, media.blobs);
      await dropEmptyPersons(db, write);
    },
    folderMismatch: async () => (await store.mismatch()) ?? (await jobs.identity.mismatch()),
    readModels: () => readWantedModels(models, insights),
    workers: jobs.workers,
    logger,
    now,
  });
  await listen(broadcaster, worker, {
    items: TOPICS.storeItems(settings.storePort),
    workers: settings.capabilityTopicPrefix,
  });
  const stopListening = jobs.events.subscribe((event) => {
    if (event.event_type === 'completed' || event.event_type === 'failed') worker.wake();
  });
  worker.start();
  logger.info('ready');
  return {
    info: { process_id: settings.processId },
    stop: async () => {
      stopListening();
      await worker.stop();
      await jobs.close();
      await broadcaster.close();
      await store.close();
    },
  };
}
