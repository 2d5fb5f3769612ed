/** The program `compute-server`: starts the service from its settings. */
import { jobServiceFromSettings } from '@cl-server/job-routes';
import { agreeOnJobDatabase, type JobTables, jobDatabaseUrl, jobMigrations } from '@cl-server/jobs';
import {
  broadcasterFromSettings,
  type ConfigSources,
  configOrHelp,
  createLogger,
  foldersOf,
  type Logger,
  openDatabase,
  openDataDir,
  prepareTables,
  type RunningProgram,
  verifierFromSettings,
  warnIfExposed,
} from '@cl-server/service-kit';
import { discoverTasks, type TaskRegistry } from '@cl-server/task-kit';
import { createComputeService } from './service.js';
import { computeSettings } from './settings.js';

const PROGRAM = 'compute-server';
const DAY_MS = 86_400_000;

async function findTasks(pluginsDir: string, logger: Logger): Promise<TaskRegistry> {
  const tasks = await discoverTasks({ pluginsDir });
  for (const { task, package: from, reason } of tasks.disabled) logger.warn({ task, from, reason }, 'plugin disabled');
  logger.debug({ tasks: tasks.tasks }, 'tasks found');
  return tasks;
}

/** @returns undefined if only the help was requested */
export async function startCompute(sources: ConfigSources): Promise<RunningProgram | undefined> {
  const config = configOrHelp({
    program: PROGRAM,
    description: 'accepts jobs, stores them and reports their state',
    settings: computeSettings,
    ...sources,
  });
  if (!config) return undefined;
  const settings = config.values;
  const logger = createLogger({ name: PROGRAM, level: settings.debug ? 'debug' : settings.logLevel });
  warnIfExposed(settings, logger);
  const dataDir = openDataDir(settings.dataDir, { create: true });
  const url = jobDatabaseUrl(settings, dataDir);
  agreeOnJobDatabase(url, dataDir);
  const database = openDatabase<JobTables>(url, { schema: 'jobs', synchronous: 'full' });
  await prepareTables(database, jobMigrations, settings.migrate);

  const tokens = await verifierFromSettings(settings, dataDir, logger);
  const broadcaster = await broadcasterFromSettings(settings, dataDir, logger);
  const folders = foldersOf(settings, dataDir);
  const service = await createComputeService({
    ...jobServiceFromSettings(settings),
    retentionMs: settings.jobRetentionDays * DAY_MS,
    database,
    storageDir: folders.jobs,
    mediaDir: folders.media,
    streamsDir: folders.streams,
    broadcaster,
    verifier: tokens.verifier,
    tasks: await findTasks(folders.plugins, logger),
    logger,
    checks: settings.noAuth ? {} : { keys: () => tokens.ready() },
  });
  const address = await service.app.listen({ host: settings.host, port: settings.port });
  logger.info({ url: address }, 'ready');
  return {
    info: { url: address, port: Number(new URL(address).port) },
    stop: async () => {
      await service.close();
      tokens.close();
      await broadcaster.close();
      await database.close();
    },
  };
}
