/** `store`: from settings to a running service. */
import { jobServiceFromSettings } from '@cl-server/job-routes';
import {
  agreeOnJobDatabase,
  broadcasterFromSettings,
  type ConfigSources,
  configOrHelp,
  createLogger,
  findProgram,
  foldersOf,
  jobDatabaseUrl,
  type Logger,
  openDataDir,
  type RunningProgram,
  StartupError,
  serviceCredential,
  verifierFromSettings,
  warnOfOpenDoors,
} from '@cl-server/runtime';
import { discoverTasks } from '@cl-server/task-kit';
import { openStoreDatabases } from './database/open.js';
import { createStoreService, type StoreOptions } from './service.js';
import { type StoreSettings, storeSettings } from './settings.js';

const PROGRAM = 'store';

/** Without ffmpeg the store runs, and says what it cannot do. */
function findTools(settings: StoreSettings, searchPath: string | undefined, logger: Logger): StoreOptions['tools'] {
  const tools = {
    ffmpeg: findProgram('ffmpeg', settings.ffmpegPath, searchPath),
    ffprobe: findProgram('ffprobe', settings.ffprobePath, searchPath),
  };
  for (const [program, found] of Object.entries(tools))
    if (found === undefined)
      logger.error(`${program} not installed: metadata and previews of videos will be missing, and say so`);
  return { ...tools, exiftool: settings.exiftoolPath };
}

/** @returns undefined where there is nothing to keep running */
export async function startStore(sources: ConfigSources): Promise<RunningProgram | undefined> {
  const config = configOrHelp({
    program: PROGRAM,
    description: 'keeps media and collections; "store migrate" only applies pending migrations',
    settings: storeSettings,
    ...sources,
  });
  if (!config) return undefined;
  const settings = config.values;
  const [command, ...more] = config.positionals;
  if (more.length > 0 || (command !== undefined && command !== 'migrate'))
    throw new StartupError(`unknown command "${config.positionals.join(' ')}": there is only "store migrate"`, 2);
  const logger = createLogger({ name: PROGRAM, level: settings.debug ? 'debug' : settings.logLevel });
  const dataDir = openDataDir(settings.dataDir, { create: true });
  agreeOnJobDatabase(jobDatabaseUrl(settings, dataDir), dataDir);
  const databases = openStoreDatabases(settings, dataDir);
  if (command === 'migrate') {
    const applied = await databases.migrate().finally(() => databases.close());
    process.stdout.write(applied.length > 0 ? `applied: ${applied.join(', ')}\n` : 'nothing to do: up to date\n');
    return undefined;
  }
  warnOfOpenDoors(settings, logger);
  if (settings.retired !== undefined) logger.warn('options for Qdrant and for a login at compute are ignored');
  await databases.prepare(settings.migrate && !settings.noMigrate);

  const tokens = await verifierFromSettings(settings, dataDir, logger);
  const broadcaster = await broadcasterFromSettings(settings, dataDir, logger);
  const folders = foldersOf(settings, dataDir);
  const service = await createStoreService({
    ...jobServiceFromSettings(settings),
    database: databases.store,
    jobDatabase: databases.jobs,
    mediaDir: folders.media,
    streamsDir: folders.streams,
    jobStorageDir: folders.jobs,
    broadcaster,
    verifier: tokens.verifier,
    tasks: await discoverTasks({ pluginsDir: folders.plugins }),
    logger,
    maxImagePixels: settings.maxImagePixels,
    tools: findTools(settings, sources.env['PATH'], logger),
    credential: serviceCredential(dataDir),
    limits: { userBytes: settings.userQuota, totalBytes: settings.storageLimit },
    readAuth: settings.readAuth,
    checks: settings.noAuth ? {} : { keys: () => tokens.ready() },
  });
  const url = await service.listen({ host: settings.host, port: settings.port });
  logger.info({ url }, 'ready');
  return {
    info: { url, port: service.events.port },
    stop: async () => {
      await service.close();
      tokens.close();
      await broadcaster.close();
      await databases.close();
    },
  };
}
