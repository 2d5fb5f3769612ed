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
    help: 'Name of this worker, unique among all; default: made from host and process',
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
    help: 'Jobs at once; one more is kept free for interactive jobs',
  },
  pollInterval: {
    env: 'WORKER_POLL_INTERVAL',
    flag: 'worker-poll-interval',
    flagAliases: ['poll-interval'],
    parse: asNumber(0.01, 3600),
    default: 1 as number,
    help: 'Seconds between two looks at the queue where no event wakes the worker',
  },
  leaseSeconds: {
    env: 'WORKER_LEASE_SECONDS',
    flag: 'lease',
    parse: asNumber(0.5, 3600),
    default: 20 as number,
    help: 'Seconds after which the job of a worker that died is taken by another',
  },
  drainSeconds: {
    env: 'WORKER_DRAIN_SECONDS',
    flag: 'drain',
    parse: asNumber(0, 3600),
    default: 10 as number,
    help: 'Seconds that running jobs are given at shutdown before they go back to the queue',
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
    help: 'Seconds between two tries to set up a task that cannot run',
  },
  runnerMemory: {
    env: 'WORKER_RUNNER_MEMORY',
    parse: asBytes,
    default: 1_024_000_000 as number,
    help: 'Memory that the code of one general task process may use',
  },
  runnerIdleSeconds: {
    env: 'WORKER_RUNNER_IDLE_SECONDS',
    parse: asNumber(0.1, 86_400),
    default: 30 as number,
    help: 'Seconds without a job after which task processes end; the next job starts one again',
  },
  modelIdleSeconds: {
    env: 'WORKER_MODEL_IDLE_SECONDS',
    parse: asNumber(0.1, 86_400),
    default: 300 as number,
    help: 'The same for task processes that hold models, which take seconds to load again',
  },
  logLevel: { ...logLevelSetting, short: 'l' },
  debug: debugSetting,
  computeUrl: {
    env: 'COMPUTE_URL',
    flag: 'compute-url',
    parse: asUrl('http', 'https'),
    help: 'The compute service; if given, the log says when it does not answer',
  },
  port: {
    env: 'COMPUTE_PORT',
    flag: 'port',
    short: 'p',
    parse: asPort,
    help: 'Port of the compute service; accepted as before, --compute-url says it better',
  },
  metricsPort: {
    env: 'WORKER_METRICS_PORT',
    flag: 'metrics-port',
    parse: asPort,
    default: 0 as number,
    help: 'Port of /metrics on loopback; 0 is none',
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
    help: 'What models run on: cpu, cuda, coreml, directml',
  },
  modelThreads: {
    env: 'MODEL_THREADS',
    parse: asInt(1, 256),
    default: Math.min(8, CORES),
    help: 'Threads of one model; the launcher shares the cores among its workers',
  },
  taskConfinement: {
    env: 'TASK_CONFINEMENT',
    parse: asChoice(['auto', 'files', 'off'] as const),
    default: 'auto' as 'auto' | 'files' | 'off',
    help: 'auto: where the system can, tasks see their folders alone and no network; files: they may use the network',
  },
  modelsDownload: {
    env: 'MODELS_DOWNLOAD',
    parse: asChoice(['auto', 'never'] as const),
    default: 'auto' as 'auto' | 'never',
    help: 'never: missing models are not fetched',
  },
  modelsMirror: {
    env: 'MODELS_MIRROR',
    parse: asUrl('http', 'https'),
    secret: true,
    help: 'Where models are asked for first, as <mirror>/<id>/<file>',
  },
} as const satisfies Settings;

export type WorkerSettings = Values<typeof workerSettings>;
