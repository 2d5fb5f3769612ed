/** `compute-worker`: from settings to a running worker. */
import net from 'node:net';
import path from 'node:path';
import { TOPICS } from '@cl-server/contract';
import { agreeOnJobDatabase, type JobTables, jobDatabaseUrl, jobMigrations } from '@cl-server/jobs';
import {
  broadcasterFromSettings,
  type ConfigSources,
  configOrHelp,
  createLogger,
  foldersOf,
  jobStatusWanted,
  type Logger,
  openDatabase,
  openDataDir,
  prepareTables,
  type RunningProgram,
} from '@cl-server/service-kit';
import { discoverTasks, type LoadedPlugin } from '@cl-server/task-kit';
import { chosenTasks } from './chosen-tasks.js';
import { fingerprintOf } from './engine/fingerprint.js';
import { RememberedAvailability } from './engine/remembered-availability.js';
import { taskEnvironment } from './environment.js';
import { serveMetrics, workerMetrics } from './metrics.js';
import { findConfinement, UNCONFINED } from './runners/confine.js';
import { RUNNER_PROGRAM } from './runners/runner.js';
import { type WorkerSettings, workerSettings } from './settings.js';
import { startWorker } from './worker.js';
import { workerId } from './worker-id.js';

export const PROGRAM = 'compute-worker';
const CONNECT_WITHIN = 2_000;

async function findPlugins(
  pluginsDir: string,
  settings: WorkerSettings,
  logger: Logger,
): Promise<readonly LoadedPlugin[]> {
  const registry = await discoverTasks({ pluginsDir });
  for (const { task, package: from, version, state, reason } of registry.disabled)
    logger.warn({ task, from, version, state, reason }, 'plugin disabled');
  return chosenTasks(registry, settings.tasks);
}

/** The worker reads its jobs from the database; that the service is away is worth a line, not an end. */
async function lookForCompute({ computeUrl }: WorkerSettings, logger: Logger): Promise<void> {
  if (computeUrl === undefined) return;
  const { hostname, port, protocol } = new URL(computeUrl);
  const socket = net.connect({
    host: hostname.replace(/^\[|\]$/g, ''),
    port: Number(port || (protocol === 'https:' ? 443 : 80)),
    timeout: CONNECT_WITHIN,
  });
  const answers = await new Promise<boolean>((resolve) => {
    socket.once('connect', () => resolve(true));
    socket.once('timeout', () => resolve(false));
    socket.once('error', () => resolve(false));
  });
  socket.destroy();
  if (!answers) logger.warn({ url: computeUrl }, 'the compute service does not answer; queued jobs run anyway');
}

/** @returns undefined where only help was asked for */
export async function startProgram({ argv, env }: ConfigSources): Promise<RunningProgram | undefined> {
  const config = configOrHelp({
    program: PROGRAM,
    description: 'runs queued jobs',
    settings: workerSettings,
    argv,
    env,
  });
  if (!config) return undefined;
  const settings = config.values;
  const dataDir = openDataDir(settings.dataDir, { create: false });
  const id = workerId(settings.workerId);
  const level = settings.debug ? 'debug' : settings.logLevel;
  const logger = createLogger({ name: PROGRAM, level }).child({ worker_id: id });

  const url = jobDatabaseUrl(settings, dataDir);
  agreeOnJobDatabase(url, dataDir);
  const database = openDatabase<JobTables>(url, { schema: 'jobs', synchronous: 'full' });
  await prepareTables(database, jobMigrations, settings.migrate);
  const folders = foldersOf(settings, dataDir);
  const plugins = await findPlugins(folders.plugins, settings, logger);
  await lookForCompute(settings, logger);

  const topic = TOPICS.worker(settings.capabilityTopicPrefix, id);
  const broadcaster = await broadcasterFromSettings(settings, dataDir, logger, {
    will: { topic, payload: '', retain: true },
    wait: 0, // jobs are found in the database; a broker that hangs must not keep them waiting
  });
  const metrics = workerMetrics();
  const scratchDir = path.join(dataDir, 'scratch');
  const confinement =
    settings.taskConfinement === 'off'
      ? UNCONFINED
      : await findConfinement({
          dataDir,
          folders: [folders.jobs, folders.media, folders.streams, folders.models, folders.plugins, scratchDir],
          files: [RUNNER_PROGRAM, ...plugins.map(({ file }) => file)],
          network: settings.taskConfinement === 'files',
          logger,
        });
  const taskEnv = taskEnvironment(settings, folders, plugins, env);
  const fingerprint = (): string | undefined =>
    // Whether a graphics card is there shows only when it is used.
    settings.executionProvider === 'cpu'
      ? fingerprintOf({ plugins, env: taskEnv, environment: env, confinement, pluginsDir: folders.plugins })
      : undefined;
  const worker = await startWorker({
    workerId: id,
    plugins,
    database,
    storageDir: folders.jobs,
    scratchDir,
    broadcaster,
    eventsTopic: settings.mqttTopic,
    jobStatusTopic: jobStatusWanted(settings),
    topicPrefix: settings.capabilityTopicPrefix,
    env: taskEnv,
    environment: env,
    confinement,
    remembered: new RememberedAvailability({ dataDir, fingerprint, logger }),
    concurrency: settings.concurrency,
    runnerMemory: settings.runnerMemory,
    runnerIdleMs: settings.runnerIdleSeconds * 1000,
    modelIdleMs: settings.modelIdleSeconds * 1000,
    leaseMs: settings.leaseSeconds * 1000,
    pollMs: settings.pollInterval * 1000,
    graceMs: settings.graceSeconds * 1000,
    drainMs: settings.drainSeconds * 1000,
    recheckMs: settings.recheckSeconds * 1000,
    heartbeatMs: settings.mqttHeartbeatInterval * 1000,
    logger,
    metrics,
    now: Date.now,
  });
  process.once('exit', () => worker.kill());
  const closeMetrics = settings.metricsPort === 0 ? undefined : await serveMetrics(metrics, settings.metricsPort);
  logger.info({ tasks: worker.tasks, concurrency: settings.concurrency }, 'ready');
  return {
    info: { worker_id: id, tasks: worker.tasks },
    stop: async () => {
      await worker.stop();
      await closeMetrics?.();
      await broadcaster.close();
      await database.close();
    },
  };
}
