/** `compute-server`: from settings to a running service. */
import path from 'node:path';
import { type JobTables, jobMigrations } from '@cl-server/jobs';
import {
  agreeOnJobDatabase,
  broadcasterFromSettings,
  type ConfigSources,
  createLogger,
  jobDatabaseUrl,
  jobStatusWanted,
  type Logger,
  loadConfig,
  openDatabase,
  openDataDir,
  prepareTables,
  RemoteKeys,
  RevocationPoll,
  type RunningProgram,
  serviceCredential,
  TokenVerifier,
} from '@cl-server/runtime';
import { discoverTasks, type TaskRegistry } from '@cl-server/task-kit';
import { createComputeService } from './service.js';
import { type ComputeSettings, computeSettings } from './settings.js';

const PROGRAM = 'compute-server';
/** A worker that missed so many beats is gone. */
const MISSED_BEATS = 3;

async function findTasks(dataDir: string, logger: Logger): Promise<TaskRegistry> {
  const tasks = await discoverTasks({ pluginsDir: path.join(dataDir, 'plugins') });
  for (const { task, package: from, reason } of tasks.disabled) logger.warn({ task, from, reason }, 'plugin disabled');
  logger.info({ tasks: tasks.tasks }, 'tasks found');
  return tasks;
}

/** Says first what everybody should know. */
function announce(settings: ComputeSettings, logger: Logger): void {
  if (!['127.0.0.1', '::1', 'localhost'].includes(settings.host))
    logger.warn({ host: settings.host }, 'listening beyond this machine');
  if (settings.noAuth) logger.warn('NO AUTHENTICATION: everyone may do everything, admin endpoints too (--no-auth)');
}

/** @returns undefined where only help was asked for */
export async function startCompute(sources: ConfigSources): Promise<RunningProgram | undefined> {
  const config = loadConfig({
    program: PROGRAM,
    description: 'takes jobs, keeps them, and tells of them',
    settings: computeSettings,
    ...sources,
  });
  if (config.helpWanted) {
    process.stdout.write(config.help);
    return undefined;
  }
  const settings = config.values;
  const logger = createLogger({ name: PROGRAM, level: settings.debug ? 'debug' : settings.logLevel });
  announce(settings, logger);
  const dataDir = openDataDir(settings.dataDir, { create: true });
  const url = jobDatabaseUrl(settings, dataDir);
  agreeOnJobDatabase(url, dataDir);
  const database = openDatabase<JobTables>(url, { schema: 'jobs', synchronous: 'full' });
  await prepareTables(database, jobMigrations, settings.migrate);

  const keys = await new RemoteKeys({
    authUrl: settings.authUrl,
    file: settings.publicKeyPath ?? path.join(dataDir, 'public_key.pem'),
    logger,
  }).start();
  const revocations = new RevocationPoll({
    authUrl: settings.authUrl,
    credential: serviceCredential(dataDir),
    logger,
  }).start();
  const broadcaster = await broadcasterFromSettings(settings, dataDir, logger);
  const service = await createComputeService({
    database,
    storageDir: path.resolve(settings.computeStorageDir ?? path.join(dataDir, 'compute')),
    mediaDir: path.resolve(settings.mediaStorageDir ?? path.join(dataDir, 'media')),
    streamsDir: path.join(dataDir, 'streams'),
    broadcaster,
    verifier: new TokenVerifier({ keys, revocations }),
    tasks: await findTasks(dataDir, logger),
    logger,
    maxUploadBytes: settings.maxUploadBytes,
    noAuth: settings.noAuth,
    maxQueued: settings.maxQueuedJobs,
    eventsTopic: settings.mqttTopic,
    workersTopic: settings.capabilityTopicPrefix,
    workerMaxAge: (settings.capabilityCacheTimeout ?? MISSED_BEATS * settings.mqttHeartbeatInterval) * 1000,
    jobStatusTopic: jobStatusWanted(settings),
    corsOrigins: settings.corsOrigins,
    checks: settings.noAuth ? {} : { keys: () => keys.ready() },
  });
  const address = await service.app.listen({ host: settings.host, port: settings.port });
  logger.info({ url: address }, 'ready');
  return {
    info: { url: address, port: Number(new URL(address).port) },
    stop: async () => {
      await service.close();
      revocations.close();
      keys.close();
      await broadcaster.close();
      await database.close();
    },
  };
}
