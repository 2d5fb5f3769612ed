/** `store`: from settings to a running service. */
import fs from 'node:fs';
import path from 'node:path';
import { type JobTables, jobMigrations } from '@cl-server/jobs';
import {
  agreeOnJobDatabase,
  broadcasterFromSettings,
  type ConfigSources,
  createLogger,
  type Database,
  jobDatabaseUrl,
  jobStatusWanted,
  type Logger,
  loadConfig,
  migrate,
  openDatabase,
  openDataDir,
  prepareTables,
  RemoteKeys,
  RevocationPoll,
  type RunningProgram,
  StartupError,
  serviceCredential,
  sqliteUrl,
  TokenVerifier,
} from '@cl-server/runtime';
import { discoverTasks } from '@cl-server/task-kit';
import { storeMigrations } from './database/migrations/index.js';
import type { StoreTables } from './database/tables.js';
import { createStoreService } from './service.js';
import { type StoreSettings, storeSettings } from './settings.js';

const PROGRAM = 'store';
/** A worker that missed so many beats is gone. */
const MISSED_BEATS = 3;

interface Databases {
  readonly store: Database<StoreTables>;
  readonly jobs: Database<JobTables>;
  close(): Promise<void>;
}

function openDatabases(settings: StoreSettings, dataDir: string): Databases {
  const jobsUrl = jobDatabaseUrl(settings, dataDir);
  agreeOnJobDatabase(jobsUrl, dataDir);
  const url = settings.storeDatabaseUrl ?? settings.databaseUrl ?? sqliteUrl(path.join(dataDir, 'store.db'));
  const store = openDatabase<StoreTables>(url, { schema: 'store', synchronous: 'full' });
  const jobs = openDatabase<JobTables>(jobsUrl, { schema: 'jobs', synchronous: 'full', share: store });
  return {
    store,
    jobs,
    close: async () => {
      await jobs.close();
      await store.close();
    },
  };
}

async function migrateAll(databases: Databases): Promise<void> {
  const applied = [
    ...(await migrate(databases.jobs, jobMigrations)),
    ...(await migrate(databases.store, storeMigrations)),
  ];
  process.stdout.write(applied.length > 0 ? `applied: ${applied.join(', ')}\n` : 'nothing to do: up to date\n');
}

/** Says first what everybody should know. */
function announce(settings: StoreSettings, logger: Logger): void {
  if (!['127.0.0.1', '::1', 'localhost'].includes(settings.host))
    logger.warn({ host: settings.host }, 'listening beyond this machine');
  if (settings.noAuth) logger.warn('NO AUTHENTICATION: everyone may do everything, admin endpoints too (--no-auth)');
  if (settings.retired !== undefined) logger.warn('options for Qdrant and for a login at compute are ignored');
}

/** A program's path: as set, else from PATH; undefined where there is none. */
function findTool(set: string | undefined, program: string, searchPath: string | undefined, logger: Logger) {
  const candidates =
    set !== undefined ? [set] : (searchPath ?? '').split(path.delimiter).map((dir) => path.join(dir, program));
  const found = candidates.find((file) => fs.existsSync(file));
  if (found === undefined)
    logger.error(`${program} not installed: metadata and previews of videos will be missing, and say so`);
  return found;
}

/** @returns undefined where there is nothing to keep running */
export async function startStore(sources: ConfigSources): Promise<RunningProgram | undefined> {
  const config = loadConfig({
    program: PROGRAM,
    description: 'keeps media and collections; "store migrate" only applies pending migrations',
    settings: storeSettings,
    ...sources,
  });
  if (config.helpWanted) {
    process.stdout.write(config.help);
    return undefined;
  }
  const settings = config.values;
  const [command, ...more] = config.positionals;
  if (more.length > 0 || (command !== undefined && command !== 'migrate'))
    throw new StartupError(`unknown command "${config.positionals.join(' ')}": there is only "store migrate"`, 2);
  const logger = createLogger({ name: PROGRAM, level: settings.debug ? 'debug' : settings.logLevel });
  const dataDir = openDataDir(settings.dataDir, { create: true });
  const databases = openDatabases(settings, dataDir);
  if (command === 'migrate') {
    await migrateAll(databases).finally(() => databases.close());
    return undefined;
  }
  announce(settings, logger);
  const apply = settings.migrate && !settings.noMigrate;
  await prepareTables(databases.jobs, jobMigrations, apply);
  await prepareTables(databases.store, storeMigrations, apply);

  const keys = await new RemoteKeys({
    authUrl: settings.authUrl,
    file: settings.publicKeyPath ?? path.join(dataDir, 'public_key.pem'),
    logger,
  }).start();
  const credential = serviceCredential(dataDir);
  const revocations = new RevocationPoll({ authUrl: settings.authUrl, credential, logger }).start();
  const broadcaster = await broadcasterFromSettings(settings, dataDir, logger);
  const ffmpeg = findTool(settings.ffmpegPath, 'ffmpeg', sources.env.PATH, logger);
  const ffprobe = findTool(settings.ffprobePath, 'ffprobe', sources.env.PATH, logger);
  const service = await createStoreService({
    database: databases.store,
    jobDatabase: databases.jobs,
    mediaDir: path.resolve(settings.mediaStorageDir ?? path.join(dataDir, 'media')),
    streamsDir: path.join(dataDir, 'streams'),
    jobStorageDir: path.resolve(settings.computeStorageDir ?? path.join(dataDir, 'compute')),
    broadcaster,
    verifier: new TokenVerifier({ keys, revocations }),
    tasks: await discoverTasks({ pluginsDir: path.join(dataDir, 'plugins') }),
    logger,
    maxUploadBytes: settings.maxUploadBytes,
    maxImagePixels: settings.maxImagePixels,
    tools: { ffmpeg, ffprobe, exiftool: settings.exiftoolPath },
    credential,
    limits: { userBytes: settings.userQuota, totalBytes: settings.storageLimit },
    noAuth: settings.noAuth,
    readAuth: settings.readAuth,
    maxQueued: settings.maxQueuedJobs,
    eventsTopic: settings.mqttTopic,
    workersTopic: settings.capabilityTopicPrefix,
    workerMaxAge: (settings.capabilityCacheTimeout ?? MISSED_BEATS * settings.mqttHeartbeatInterval) * 1000,
    jobStatusTopic: jobStatusWanted(settings),
    corsOrigins: settings.corsOrigins,
    checks: settings.noAuth ? {} : { keys: () => keys.ready() },
  });
  const url = await service.listen({ host: settings.host, port: settings.port });
  logger.info({ url }, 'ready');
  return {
    info: { url, port: service.events.port },
    stop: async () => {
      await service.close();
      revocations.close();
      keys.close();
      await broadcaster.close();
      await databases.close();
    },
  };
}
