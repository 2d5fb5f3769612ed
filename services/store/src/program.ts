/** The program `store`: starts the service from its settings. */

import path from 'node:path';
import { discoverInsights } from '@cl-server/insight';
import { jobServiceFromSettings } from '@cl-server/job-routes';
import { agreeOnJobDatabase, jobDatabaseUrl, jobFolderIdentity } from '@cl-server/jobs';
import { findProgram, takeLock } from '@cl-server/kit';
import {
  broadcasterFromSettings,
  type ConfigSources,
  configOrHelp,
  createLogger,
  type Folders,
  foldersOf,
  type Logger,
  openDataDir,
  type RunningProgram,
  StartupError,
  serviceCredential,
  verifierFromSettings,
  warnIfExposed,
} from '@cl-server/service-kit';
import { discoverTasks } from '@cl-server/task-kit';
import type { StoreOptions } from './context.js';
import { openStoreDatabases, type StoreDatabases } from './database/open.js';
import { mediaFolderIdentity } from './files/identity.js';
import { MediaFolder } from './files/media-folder.js';
import { storeInsights } from './insight/store-insights.js';
import { createStoreService } from './service.js';
import { type StoreSettings, storeSettings } from './settings.js';

const PROGRAM = 'store';
const COMMANDS = ['migrate', 'adopt'];

/** Finds the tools. Without ffmpeg the store runs and reports what it cannot do. */
function findTools(settings: StoreSettings, searchPath: string | undefined, logger: Logger): StoreOptions['tools'] {
  const tools = {
    ffmpeg: findProgram('ffmpeg', settings.ffmpegPath, searchPath),
    ffprobe: findProgram('ffprobe', settings.ffprobePath, searchPath),
  };
  for (const [program, found] of Object.entries(tools))
    if (found === undefined)
      logger.error(`${program} is not installed: metadata and previews of videos will be missing`);
  return { ...tools, exiftool: settings.exiftoolPath };
}

/** @returns undefined if the command is already done */
export async function startStore(sources: ConfigSources): Promise<RunningProgram | undefined> {
  const config = configOrHelp({
    program: PROGRAM,
    description:
      'stores media and collections; "store migrate" only applies pending migrations, "store adopt" confirms that media folder, job folder and database belong together',
    settings: storeSettings,
    ...sources,
  });
  if (!config) return undefined;
  const settings = config.values;
  const [command, ...more] = config.positionals;
  if (more.length > 0 || (command !== undefined && !COMMANDS.includes(command)))
    throw new StartupError(
      `unknown command "${config.positionals.join(' ')}": use "store migrate" or "store adopt"`,
      2,
    );
  const logger = createLogger({ name: PROGRAM, level: settings.debug ? 'debug' : settings.logLevel });
  const dataDir = openDataDir(settings.dataDir, { create: true });
  agreeOnJobDatabase(jobDatabaseUrl(settings, dataDir), dataDir);
  const databases = openStoreDatabases(settings, dataDir);
  if (command === 'migrate') {
    const applied = await databases.migrate().finally(() => databases.close());
    process.stdout.write(applied.length > 0 ? `applied: ${applied.join(', ')}\n` : 'nothing to do: up to date\n');
    return undefined;
  }
  const folders = foldersOf(settings, dataDir);
  if (command === 'adopt') {
    await adoptFolders(databases, folders).finally(() => databases.close());
    process.stdout.write('media folder, job folder and database belong together now\n');
    return undefined;
  }
  const unlock = await lockMediaFolder(folders.media);
  warnIfExposed(settings, logger);
  if (settings.retired !== undefined) logger.warn('options for Qdrant and for a login at compute are ignored');
  await databases.prepare(settings.migrate && !settings.noMigrate);

  const tokens = await verifierFromSettings(settings, dataDir, logger);
  const broadcaster = await broadcasterFromSettings(settings, dataDir, logger);
  const media = new MediaFolder(path.resolve(folders.media));
  const service = await createStoreService({
    ...jobServiceFromSettings(settings),
    database: databases.store,
    jobDatabase: databases.jobs,
    mediaDir: folders.media,
    streamsDir: folders.streams,
    jobStorageDir: folders.jobs,
    broadcaster,
    verifier: tokens.verifier,
    revocations: tokens.revocations,
    tasks: await discoverTasks({ pluginsDir: folders.plugins }),
    insights: await discoverInsights({ known: storeInsights(media.blobs), pluginsDir: folders.plugins, logger }),
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
      await unlock();
    },
  };
}

/** Locks the media folder, because two stores on one folder would remove files that the other one is storing. */
async function lockMediaFolder(folder: string): Promise<() => Promise<void>> {
  const unlock = await takeLock(path.join(folder, '.store.lock'));
  if (unlock) return unlock;
  throw new StartupError(`another store uses the media folder ${folder}: stop it, or give this one another folder`);
}

async function adoptFolders(databases: StoreDatabases, folders: Folders): Promise<void> {
  await databases.prepare(false);
  await mediaFolderIdentity(databases.store, path.resolve(folders.media), Date.now).adopt();
  const folder = path.resolve(folders.jobs);
  await jobFolderIdentity({ database: databases.jobs, folder, mayDecide: true, now: Date.now }).adopt();
}
