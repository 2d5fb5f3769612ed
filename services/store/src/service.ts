/** The store service: connects its parts. */
import path from 'node:path';
import { LocalBlobStore } from '@cl-server/blobs';
import { type Guard, STORE_API, storeEndpoints } from '@cl-server/contract';
import { type Insight, InsightRegistry, serveInsight } from '@cl-server/insight';
import { JobCreation, type JobServiceOptions, openJobService } from '@cl-server/job-routes';
import type { JobTables } from '@cl-server/jobs';
import {
  type App,
  brokerChecks,
  createApp,
  createAuthorizer,
  createMetrics,
  type Database,
  databaseAnswers,
  folderIsUsable,
  type Logger,
  noRevocations,
  type Openness,
  type RevocationSource,
} from '@cl-server/service-kit';
import { Budget } from './database/budget.js';
import { openReads } from './database/reads.js';
import type { StoreTables } from './database/tables.js';
import { writeTransactions } from './database/transaction.js';
import type { Limits } from './database/usage.js';
import { EntityReader } from './entities/reader.js';
import { EntityService } from './entities/service.js';
import { Eraser } from './erase/eraser.js';
import { StoreEvents } from './events.js';
import { Contents } from './files/contents.js';
import { noteDamage } from './files/damage.js';
import type { FactsListener } from './files/facts-of-content.js';
import { mediaFolderIdentity } from './files/identity.js';
import { MediaFolder } from './files/media-folder.js';
import { Previews } from './files/previews.js';
import { SetAside } from './files/set-aside.js';
import { TagReader } from './files/tag-reader.js';
import { entityFeed } from './insight/entity-feed.js';
import { entityView } from './insight/entity-view.js';
import { storeInsights } from './insight/store-insights.js';
import { EntityLister } from './listing/lister.js';
import { searchScope } from './listing/search-scope.js';
import { SearchTexts } from './listing/search-texts.js';
import { MediaProcesses } from './media/reading.js';
import { ReadAuth } from './preferences.js';
import { ReadingAnnouncer } from './reading-announcer.js';
import { rightsOf } from './rights.js';
import { serveAdmin } from './routes/admin.js';
import { serveEntities, type UserOf } from './routes/entities.js';
import { serveMedia } from './routes/media.js';
import { serveStreams } from './routes/streams.js';
import { serveSystem } from './routes/system.js';
import { serveUploads } from './routes/uploads.js';
import { UrlSigner } from './signed-urls.js';
import { StreamMeter } from './streams/meter.js';
import { MAX_QUEUED_STREAMS, Streams } from './streams/streams.js';
import { removeOrphanedStreams } from './streams/sweep.js';
import { StreamUsage } from './streams/usage.js';
import { Audit } from './system/audit.js';
import { OrphanedFiles } from './system/orphaned-files.js';
import { OrphanedPreviews } from './system/orphaned-previews.js';
import { Sweeper } from './system/sweeper.js';
import { ResumableUploads } from './uploads/resumable.js';

export interface StoreOptions extends JobServiceOptions {
  /** Has the migrated tables of the store. The caller closes it. */
  readonly database: Database<StoreTables>;
  /** Has the migrated job tables; the same as `database` if both are one SQLite file. The caller closes it. */
  readonly jobDatabase: Database<JobTables>;
  /** Absolute path of the folder of job files. */
  readonly jobStorageDir: string;
  readonly maxImagePixels: number;
  /** Programs; absent if they are not installed. If exiftool is absent, the packaged one is used. */
  readonly tools: {
    readonly ffmpeg: string | undefined;
    readonly ffprobe: string | undefined;
    readonly exiftool?: string | undefined;
  };
  /** The services' own credential, from which the key of signed URLs is derived. */
  readonly credential: string;
  /** The revoked tokens. The URLs that their holders signed are revoked, too. Default: none. */
  readonly revocations?: RevocationSource;
  /** The storage limits of each user and of all together. */
  readonly limits?: Limits;
  /** The insights of plugins. */
  readonly insights?: readonly Insight[];
  /** Milliseconds for which orphaned files are kept after they were set aside; default 30 days. */
  readonly orphanGraceMs?: number;
  /** Milliseconds between two counts of growing streams; default 5 seconds. */
  readonly countStreamsEvery?: number;
  /** Whether reading needs the permission until an admin decides. Absent: yes, unless the database is from a release without it. */
  readonly readAuth?: boolean | undefined;
}

export interface StoreService {
  readonly app: App;
  readonly events: StoreEvents;
  /** @returns the base URL */
  listen(address: { readonly host: string; readonly port: number }): Promise<string>;
  /** Ends requests and completes pending work. */
  close(): Promise<void>;
}

/** Logs a warning at each start if reading is open to everyone. */
async function warnOfOpenReading(readAuth: ReadAuth, logger: Logger): Promise<void> {
  const { guest_mode, decidedBy } = await readAuth.state();
  if (!guest_mode) return;
  const close = 'close it with PUT /admin/pref/guest-mode, guest_mode=false';
  logger.warn(
    decidedBy === 'earlier release'
      ? `this data folder was made when reading was open by default: everyone may read; ${close}`
      : `guest mode is on: everyone may read, as set by ${decidedBy === 'admin' ? 'an admin' : 'READ_AUTH_ENABLED'}; ${close}`,
  );
}

const ORPHAN_GRACE_MS = 30 * 86_400_000;
const NO_LIMITS: Limits = { userBytes: 0, totalBytes: 0 };

/** Completes or undoes the unfinished work of an earlier process. Then the service can listen. */
export async function createStoreService(options: StoreOptions): Promise<StoreService> {
  const { database, broadcaster, logger, tools, noAuth = false, now = Date.now, limits = NO_LIMITS } = options;
  const metrics = createMetrics('store');
  const folder = new MediaFolder(path.resolve(options.mediaDir));
  const write = writeTransactions(database, now, (users) => budget.changed(users));
  const reads = openReads(database);
  const events = new StoreEvents(broadcaster, now);
  const tellOfFacts: FactsListener = (entity) => events.changed(entity, 'updated');
  const mediaReading = new MediaProcesses({ ...tools, maxPixels: options.maxImagePixels, logger });
  const previews = new Previews({
    blobs: folder.blobs,
    reading: mediaReading,
    onDamage: (sha256, remark) => write(null, (tx) => noteDamage(tx, sha256, remark, tellOfFacts)),
  });
  const db = database.kysely;
  const jobService = await openJobService(
    { ...options, mediaDir: folder.root, userBytes: limits.userBytes },
    { database: options.jobDatabase, storageDir: options.jobStorageDir },
  );
  const { jobs, guestMode, workers } = jobService;
  const { jobDatabase } = options;
  const budget = new Budget({ usage: jobs.usage, database, jobDatabase, limit: limits.userBytes, logger, now });
  const streamBlobs = new LocalBlobStore(path.resolve(options.streamsDir));
  const streams = new Streams({
    media: folder.blobs,
    blobs: streamBlobs,
    jobs,
    creation: new JobCreation({
      repository: jobs.repository,
      storage: jobs.storage,
      identity: jobs.identity,
      mediaDir: folder.root,
      streamsDir: options.streamsDir,
      maxQueued: MAX_QUEUED_STREAMS,
    }),
    tasks: options.tasks,
    availability: (task) => workers.availability(task),
    usage: new StreamUsage({ db, budget, usage: jobs.usage }),
    logger,
    now,
  });
  const identity = mediaFolderIdentity(database, folder.root, now);
  const mismatch = await identity.mismatch();
  if (mismatch !== undefined)
    logger.error({ reason: mismatch }, 'media can only be read: nothing is written or removed');
  const setAside = new SetAside({
    blobs: folder.blobs,
    graceMs: options.orphanGraceMs ?? ORPHAN_GRACE_MS,
    logger,
    now,
  });
  const contents = new Contents({
    folder,
    identity,
    setAside,
    db,
    write,
    reading: mediaReading,
    logger,
    onFreed: async (sha256) => {
      await Promise.all([previews.remove(sha256), streams.remove(sha256)]);
    },
  });
  await contents.recover();
  void setAside.sweep();
  const tagReader = new TagReader({
    db,
    write,
    reading: mediaReading,
    blobs: folder.blobs,
    onCorrected: tellOfFacts,
    logger,
  });
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
  const entities = new EntityService({
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
  const reader = new EntityReader(database, reads);
  const lister = new EntityLister(reads, database.adapter);
  const readAuth = new ReadAuth(db, options.readAuth, now);
  if (!noAuth) await warnOfOpenReading(readAuth, logger);

  const openness = async (guard: Guard): Promise<Openness> => {
    if (noAuth) return 'open';
    if (guard === 'read' || guard === 'media') return (await readAuth.isOn()) ? 'closed' : 'public-but-checked';
    return guard === 'compute' && (await guestMode.isOn()) ? 'open' : 'closed';
  };
  const authorize = createAuthorizer({ verifier: options.verifier, credential: options.credential, openness });
  const app = createApp({
    info: STORE_API,
    endpoints: jobService.endpoints(storeEndpoints),
    authorize,
    logger,
    metrics,
    uploads: { folder: folder.incoming, maxBytes: options.maxUploadBytes },
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
  const userOf: UserOf = (claims) => (noAuth ? null : (claims?.id ?? null));
  serveEntities(app, { entities, reader, lister, userOf });
  const rights = rightsOf(noAuth);
  const signer = new UrlSigner({
    secret: options.credential,
    revocations: options.revocations ?? noRevocations,
    mayRead: (user) => rights.mayRead(user),
    find: (id) => reader.find(id),
    isInTrash: (row) => reader.isInTrash(row),
    now,
  });
  serveMedia(app, { reader, blobs: folder.blobs, previews, signer, rights });
  serveStreams(app, { reader, streams, blobs: streamBlobs, signer, rights });
  const reading = new ReadingAnnouncer({
    broadcaster,
    isOpen: async () => noAuth || !(await readAuth.isOn()),
    logger,
  });
  serveAdmin(app, { readAuth, userOf, logger, onChange: () => reading.announce() });
  const insight = await serveInsight(app, {
    insights: new InsightRegistry([...storeInsights(folder.blobs), ...(options.insights ?? [])]),
    database,
    write,
    reads,
    feed: entityFeed(database, folder.blobs),
    view: entityView({ db, reader, matching: searchScope(reads, database.adapter), streams }),
    folder,
    streamsDir: options.streamsDir,
    broadcaster,
    jobs,
    tasks: options.tasks,
    userOf,
    storePort: () => events.port,
    logger,
    now,
  });
  const audit = new Audit({
    db,
    folder,
    identity,
    files: [new OrphanedFiles(db, contents), new OrphanedPreviews(db, folder.blobs, write), insight.orphans.crops],
    faces: insight.orphans.faces,
    vectors: insight.orphans.vectors,
    jobs: insight.orphans.jobs,
    statuses: insight.orphans.statuses,
    now,
  });
  serveSystem(app, { db, audit, entities, folder, limits, usage: jobs.usage, userOf, now });
  const jobUploads = { uploads: { folder: jobs.storage.uploads, maxBytes: options.maxUploadBytes } };
  jobService.api.serve({
    ...app,
    handle: (endpoint, handler, route) => app.handle(endpoint, handler, { ...jobUploads, ...route }),
  });
  const uploads = new ResumableUploads({
    directory: folder.uploads,
    maxBytes: options.maxUploadBytes,
    entities,
    budget,
    view: async (id) => reader.view(await reader.row(id)),
    logger,
    now,
  });
  await budget.start();
  await uploads.recover();
  serveUploads(app, { uploads, authorize, userOf });
  tagReader.wake();
  const searchTexts = new SearchTexts({ db, write, logger });
  searchTexts.start();
  const sweeping = (mismatch === undefined ? removeOrphanedStreams(db, streams) : Promise.resolve(0)).catch(
    (error: unknown) => {
      logger.error({ err: error }, 'streams of deleted contents could not be removed; the next start removes them');
    },
  );

  const streamMeter = new StreamMeter({ streams, logger, every: options.countStreamsEvery });
  const sweeper = new Sweeper({
    orphans: insight.orphans.jobs,
    blobs: mismatch === undefined ? [folder.blobs, streamBlobs] : [],
    logger,
  });

  return {
    app,
    events,
    listen: async (address) => {
      const url = await app.listen(address);
      events.listensOn(Number(new URL(url).port));
      reading.start(events.port);
      eraser.start();
      sweeper.start();
      streamMeter.start();
      await insight.start();
      return url;
    },
    close: async () => {
      reading.close();
      await app.close();
      uploads.close();
      setAside.close();
      await sweeping;
      await sweeper.close();
      await streamMeter.close();
      await eraser.close();
      await mediaReading.close();
      await searchTexts.close();
      await tagReader.close();
      await contents.close();
      await insight.close();
      await budget.close();
      await jobs.close();
      await reads.close();
    },
  };
}
