/** One worker, put together: runners, leases, claims, announcements. */

import path from 'node:path';
import { type JobEngine, type JobTables, openJobs } from '@cl-server/jobs';
import { WakeSignal } from '@cl-server/kit';
import { type Broadcaster, clockSkew, type Database, type Logger, type MetricsRegistry } from '@cl-server/service-kit';
import type { LoadedPlugin } from '@cl-server/task-kit';
import { Announcer } from './engine/announcer.js';
import { Availability } from './engine/availability.js';
import { Engine } from './engine/engine.js';
import { Executor } from './engine/executor.js';
import { Leases } from './engine/leases.js';
import { tellMissingModels } from './engine/missing-models.js';
import { Pace } from './engine/pace.js';
import { Permission } from './engine/permission.js';
import { Recheck } from './engine/recheck.js';
import type { RememberedAvailability } from './engine/remembered-availability.js';
import { Reports } from './engine/reports.js';
import { Scratch } from './engine/scratch.js';
import { Slots } from './engine/slots.js';
import { Verdicts } from './engine/verdicts.js';
import { jobMetrics, slotMetrics } from './metrics.js';
import type { Confinement } from './runners/confine.js';
import { RunnerPool } from './runners/pool.js';
import type { RunnerEnvironment } from './runners/protocol.js';
import type { TaskState } from './runners/runner.js';

export interface WorkerOptions {
  readonly workerId: string;
  readonly plugins: readonly LoadedPlugin[];
  /** With the job tables, migrated. The caller closes it. */
  readonly database: Database<JobTables>;
  readonly storageDir: string;
  /** Folder for scratch folders. */
  readonly scratchDir: string;
  /** The caller closes it. */
  readonly broadcaster: Broadcaster;
  readonly eventsTopic: string;
  readonly jobStatusTopic: boolean;
  readonly topicPrefix: string;
  readonly env: RunnerEnvironment;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly confinement: Confinement;
  readonly remembered: RememberedAvailability;
  readonly concurrency: number;
  /** Bytes of JavaScript heap of a general runner. */
  readonly runnerMemory: number;
  /** Milliseconds without a job after which task processes end; longer for those that may hold models. */
  readonly runnerIdleMs: number;
  readonly modelIdleMs: number;
  readonly leaseMs: number;
  readonly pollMs: number;
  readonly graceMs: number;
  readonly drainMs: number;
  readonly recheckMs: number;
  readonly heartbeatMs: number;
  readonly logger: Logger;
  readonly metrics: MetricsRegistry;
  readonly now: () => number;
}

export interface Worker {
  /** Tasks that it can run now. */
  readonly tasks: readonly string[];
  /** Drains, then lets go of everything. */
  stop(): Promise<void>;
  /** Ends every child process at once, for a process that ends without time to wait. */
  kill(): void;
}

/** How long the first announcement waits for slow set-ups, e.g. a model that is being fetched. */
const FIRST_WITHIN = 15_000;
/** How long after the start a model that was missing at an earlier one is asked for again, where models may be fetched. */
const RETRY_AFTER = 5_000;
/** Interactive jobs have one slot of their own. */
const INTERACTIVE = 1;
const MEGABYTE = 1_000_000;

function announcerOf(options: WorkerOptions, jobs: JobEngine, availability: Availability, slots: Slots): Announcer {
  const { broadcaster, topicPrefix, workerId, heartbeatMs, logger, now } = options;
  const { workers: register } = jobs;
  return new Announcer({
    register,
    broadcaster,
    topicPrefix,
    workerId,
    availability,
    slots,
    heartbeatMs,
    logger,
    now,
  });
}

function executorOf(
  options: WorkerOptions,
  jobs: JobEngine,
  pool: RunnerPool,
  leases: Leases,
  scratch: Scratch,
  pace: Pace,
): Executor {
  const { leaseMs, logger, plugins, graceMs } = options;
  const { repository, storage } = jobs;
  const reports = new Reports({
    repository,
    logger,
    giveUpAfter: leaseMs * 3,
    onRefused: (token) => leases.lost(token),
  });
  const definitions = new Map(plugins.map(({ task, definition }) => [task, definition]));
  const verdicts = new Verdicts({ repository, storage, reports, definition: (task) => definitions.get(task), logger });
  return new Executor({ pool, storage, reports, leases, scratch, verdicts, pace, graceMs, logger });
}

function poolOf(options: WorkerOptions, availability: Availability): RunnerPool {
  const { plugins, env, environment, concurrency, runnerMemory, confinement, remembered, logger } = options;
  const onTaskState = (task: string, state: TaskState): void => {
    if (!availability.set(task, state) || state.state !== 'unavailable') return;
    const { code, reason } = state;
    logger[code === 'model_missing' ? 'debug' : 'warn']({ task, code, reason }, 'task unavailable');
  };
  const runnable = plugins.filter(({ task, definition }) => {
    const missing = definition.requirements?.tools?.find(
      (tool) => tool !== 'exiftool' && env.tools[tool] === undefined,
    );
    if (missing === undefined) return true; // exiftool comes with the platform
    const reason = `${missing} was not found: install it, or name its path with ${missing.toUpperCase()}_PATH`;
    availability.set(task, { state: 'unavailable', code: 'tool_missing', reason });
    return false;
  });
  const believed = runnable.flatMap(({ task }) => {
    const state = remembered.believed.get(task);
    return state ? [{ task, state }] : [];
  });
  for (const { task, state } of believed) onTaskState(task, state);
  return new RunnerPool({
    known: new Set(believed.map(({ task }) => task)),
    tasks: runnable.map(({ task, file, source, definition }) => ({
      task,
      file,
      process: definition.process,
      isBuiltin: source === 'builtin',
    })),
    env,
    environment,
    limit: concurrency + INTERACTIVE,
    memory: Math.ceil(runnerMemory / MEGABYTE),
    idleMs: options.runnerIdleMs,
    sharedIdleMs: options.modelIdleMs,
    confinement,
    logger,
    onTaskState: (task, state) => {
      remembered.learned(task, state);
      onTaskState(task, state);
    },
  });
}

/** Starts a worker; resolves when clients see which tasks it can run. Those that are ready run before then. */
export async function startWorker(options: WorkerOptions): Promise<Worker> {
  const { workerId, plugins, broadcaster, remembered, logger, leaseMs, pollMs, metrics, now } = options;
  const jobs = openJobs({
    database: options.database,
    storageDir: options.storageDir,
    broadcaster,
    logger,
    eventsTopic: options.eventsTopic,
    jobStatusTopic: options.jobStatusTopic,
    leaseMs,
    metrics: jobMetrics(metrics),
    decidesIdentity: false,
    now,
  });
  const scratch = new Scratch(path.resolve(options.scratchDir));
  const availability = new Availability(plugins.map(({ task }) => task));
  const slots = new Slots(
    options.concurrency,
    new Map(plugins.map(({ task, definition }) => [task, { concurrency: definition.concurrency }])),
  );
  slotMetrics(metrics, slots);
  const wakeSignal = new WakeSignal();
  const leases = new Leases({ repository: jobs.repository, leaseMs, logger });
  const pool = poolOf(options, availability);
  const pace = new Pace();
  const executor = executorOf(options, jobs, pool, leases, scratch, pace);
  availability.onChange(() => wakeSignal.set());
  const stopListening = jobs.events.subscribe(({ event_type }) => {
    if (event_type === 'queued') wakeSignal.set();
  });
  const recheck = new Recheck({
    availability,
    retry: (task, changed) => pool.retrySetup(task, changed),
    modelsDir: options.env.modelsDir,
    everyMs: options.recheckMs,
  });
  const announcer = announcerOf(options, jobs, availability, slots);

  const engine = new Engine({
    workerId,
    repository: jobs.repository,
    availability,
    slots,
    executor,
    permission: new Permission({
      folderMismatch: () => jobs.identity.mismatch(),
      skew: () => clockSkew(options.database, now),
      leaseMs,
      logger,
      monotonic: () => performance.now(),
    }),
    pace,
    definition: (task) => plugins.find((plugin) => plugin.task === task)?.definition,
    wakeSignal,
    leaseMs,
    pollMs,
    logger,
  });
  // A task that is ready does not wait for another's model to be fetched.
  engine.start();
  await availability.settled(FIRST_WITHIN);
  const stopTelling = tellMissingModels(availability, logger);
  announcer.started();
  const mayFetch = options.env.settings['MODELS_DOWNLOAD'] !== 'never';
  const retrying = setTimeout(() => {
    for (const task of mayFetch ? remembered.believed.keys() : [])
      if (availability.unavailable.has(task)) pool.retrySetup(task, true);
  }, RETRY_AFTER);

  return {
    get tasks() {
      return availability.ready;
    },
    stop: async () => {
      clearTimeout(retrying);
      recheck.close();
      stopTelling();
      stopListening();
      await announcer.close();
      await engine.stop(options.drainMs);
      leases.close();
      await pool.close();
      remembered.close();
      scratch.close();
      await jobs.close();
    },
    kill: () => pool.killAll(),
  };
}
