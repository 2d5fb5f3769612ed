/** Settings of `compute-worker`. */

import os from 'node:os';
import { jobDatabaseSettings } from '@cl-server/jobs';
import {
  asBytes,
  asChoice,
  asInt,
  asList,
  asNonEmpty,
  asNumber,
  asPort,
  asUrl,
  dataDirSetting,
  debugSetting,
  folderSettings,
  logLevelSetting,
  migrateSetting,
  modelsDirSetting,
  mqttSettings,
  type Settings,
  toolSettings,
  uploadSettings,
  type Values,
} from '@cl-server/service-kit';

const CORES = os.availableParallelism();
/**
 * Several workers share a machine, and decoders and models use threads of their own. Two where there are two cores: while
 * one batch is computed the next one's pictures are decoded.
 */
const defaultConcurrency = (): number => Math.max(Math.min(2, CORES), Math.min(4, Math.floor(CORES / 2)));

export const workerSettings = {
  dataDir: dataDirSetting,
  migrate: migrateSetting,
  workerId: {
    env: 'WORKER_ID',
    flag: 'worker-id',
    short: 'w',
    parse: asNonEmpty,
    help: 'Unique name of this worker (default: made of host name and process id)',
  },
  tasks: {
    env: 'WORKER_SUPPORTED_TASKS',
    flag: 'tasks',
    short: 't',
    parse: asList,
    default: [] as readonly string[],
    help: 'Tasks to run, comma-separated; default: all',
  },
  concurrency: {
    env: 'WORKER_CONCURRENCY',
    flag: 'concurrency',
    parse: asInt(1, 256),
    default: defaultConcurrency(),
    defaultText: '2 to 4, by the number of cores',
    help: 'Number of simultaneous jobs; one more slot is reserved for interactive jobs',
  },
  pollInterval: {
    env: 'WORKER_POLL_INTERVAL',
    flag: 'worker-poll-interval',
    flagAliases: ['poll-interval'],
    parse: asNumber(0.01, 3600),
    default: 1 as number,
    help: 'Seconds between two checks of the queue if no event wakes the worker',
  },
  leaseSeconds: {
    env: 'WORKER_LEASE_SECONDS',
    flag: 'lease',
    parse: asNumber(0.5, 3600),
    default: 20 as number,
    help: 'Seconds after which another worker takes the job of a worker that died',
  },
  drainSeconds: {
    env: 'WORKER_DRAIN_SECONDS',
    flag: 'drain',
    parse: asNumber(0, 3600),
    default: 10 as number,
    help: 'Seconds that running jobs have at shutdown before they return to the queue',
  },
  graceSeconds: {
    env: 'WORKER_GRACE_SECONDS',
    parse: asNumber(0, 600),
    default: 3 as number,
    help: 'Seconds between asking a task to stop and killing its process',
  },
  recheckSeconds: {
    env: 'WORKER_RECHECK_SECONDS',
    parse: asNumber(0.1, 86_400),
    default: 30 as number,
    help: 'Seconds between two attempts to set up an unavailable task',
  },
  runnerMemory: {
    env: 'WORKER_RUNNER_MEMORY',
    parse: asBytes,
    default: 1_024_000_000 as number,
    help: 'Maximum JavaScript heap of a process that runs ordinary tasks',
  },
  runnerIdleSeconds: {
    env: 'WORKER_RUNNER_IDLE_SECONDS',
    parse: asNumber(0.1, 86_400),
    default: 30 as number,
    help: 'Seconds without a job after which a task process ends; the next job starts a new one (0.3 s)',
  },
  modelIdleSeconds: {
    env: 'WORKER_MODEL_IDLE_SECONDS',
    parse: asNumber(0.1, 86_400),
    default: 300 as number,
    help: 'Seconds without a job after which a task process that holds models ends; loading them again takes seconds',
  },
  logLevel: { ...logLevelSetting, short: 'l' },
  debug: debugSetting,
  computeUrl: {
    env: 'COMPUTE_URL',
    flag: 'compute-url',
    parse: asUrl('http', 'https'),
    help: 'The compute service; if set, the worker warns at its start if it does not answer',
  },
  port: {
    env: 'COMPUTE_PORT',
    flag: 'port',
    short: 'p',
    parse: asPort,
    help: 'Port of the compute service; accepted for compatibility, use --compute-url',
  },
  metricsPort: {
    env: 'WORKER_METRICS_PORT',
    flag: 'metrics-port',
    parse: asPort,
    default: 0 as number,
    help: 'Port of /metrics on this machine; 0: none',
  },
  ...jobDatabaseSettings,
  ...mqttSettings,
  ...folderSettings,
  modelsDir: modelsDirSetting,
  ...toolSettings,
  maxImagePixels: uploadSettings.maxImagePixels,
  executionProvider: {
    env: 'EXECUTION_PROVIDER',
    parse: asChoice(['cpu', 'cuda', 'coreml', 'directml'] as const),
    default: 'cpu' as const,
    help: 'Hardware that runs the models: cpu, cuda, coreml or directml',
  },
  modelThreads: {
    env: 'MODEL_THREADS',
    parse: asInt(1, 256),
    default: Math.min(8, CORES),
    defaultText: 'the cores, shared among the workers',
    help: 'Threads of one model; the launcher shares the cores among its workers',
  },
  taskConfinement: {
    env: 'TASK_CONFINEMENT',
    parse: asChoice(['auto', 'files', 'off'] as const),
    default: 'auto' as 'auto' | 'files' | 'off',
    help: 'auto: if the system supports it, tasks see only the folders that they work in, and no network; files: they may use the network; off',
  },
  modelsDownload: {
    env: 'MODELS_DOWNLOAD',
    parse: asChoice(['auto', 'never'] as const),
    default: 'auto' as 'auto' | 'never',
    help: 'never: missing models are not downloaded',
  },
  modelsMirror: {
    env: 'MODELS_MIRROR',
    parse: asUrl('http', 'https'),
    secret: true,
    help: 'Server from which models are downloaded first, as <mirror>/<id>/<file>',
  },
} as const satisfies Settings;

export type WorkerSettings = Values<typeof workerSettings>;
