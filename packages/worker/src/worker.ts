/** One worker, put together: runners, leases, claims, announcements. README.md says where to begin. */

import path from 'node:path';
import { type JobEngine, type JobTables, openJobs } from '@cl-server/jobs';
import { WakeSignal } from '@cl-server/kit';
import { type Broadcaster, clockSkew, type Database, type Logger, type MetricsRegistry } from '@cl-server/service-kit';
import { type LoadedPlugin, toolVariable } from '@cl-server/task-kit';
import { Announcer, Availability, logMissingModels, Recheck } from './engine/availability.js';
import { ClaimLoop } from './engine/claim-loop.js';
import { JobFinisher } from './engine/finish-job.js';
import { Leases } from './engine/leases.js';
import { Permission } from './engine/permission.js';
import type { RememberedAvailability } from './engine/remembered-availability.js';
import { JobRunner } from './engine/run-job.js';
import { Scratch } from './engine/scratch.js';
import { Slots, TaskDurations } from './engine/slots.js';
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
  /** Drains, then releases everything. */
  stop(): Promise<void>;
  /** Ends every child process at once, for a process that ends without time to wait. */
  kill(): void;
}

/** How long the worker waits for slow set-ups, such as a model that is being fetched, before clients see it. */
const MAX_START_MS = 15_000;
/** Time after the start at which a model that was missing at an earlier start is fetched again, if that is allowed. */
const FETCH_DELAY_MS = 5_000;
/** Interactive jobs have one slot of their own. */
const INTERACTIVE_SLOTS = 1;
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

function runnerOf(
  options: WorkerOptions,
  { repository, storage }: JobEngine,
  pool: RunnerPool,
  leases: Leases,
  scratch: Scratch,
  durations: TaskDurations,
): JobRunner {
  const { leaseMs, logger, plugins, graceMs } = options;
  const definitions = new Map(plugins.map(({ task, definition }) => [task, definition]));
  const finisher = new JobFinisher({
    repository,
    storage,
    scratch,
    definition: (task) => definitions.get(task),
    logger,
    giveUpAfterMs: leaseMs * 3,
    onRefused: (token) => leases.lost(token),
  });
  return new JobRunner({ pool, storage, leases, scratch, finisher, durations, graceMs, logger });
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
    const reason = `${missing} was not found: install it, or set ${toolVariable(missing)} to its path`;
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
    limit: concurrency + INTERACTIVE_SLOTS,
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
  const durations = new TaskDurations();
  const runner = runnerOf(options, jobs, pool, leases, scratch, durations);
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

  const claimLoop = new ClaimLoop({
    workerId,
    repository: jobs.repository,
    availability,
    slots,
    runner,
    permission: new Permission({
      folderMismatch: () => jobs.identity.mismatch(),
      skew: () => clockSkew(options.database, now),
      leaseMs,
      logger,
      monotonic: () => performance.now(),
    }),
    durations,
    definition: (task) => plugins.find((plugin) => plugin.task === task)?.definition,
    wakeSignal,
    leaseMs,
    pollMs,
    logger,
  });
  // A task that is ready does not wait for another's model to be fetched.
  claimLoop.start();
  await availability.decided(MAX_START_MS);
  const stopLogging = logMissingModels(availability, logger);
  announcer.started();
  const mayFetch = options.env.settings['MODELS_DOWNLOAD'] !== 'never';
  const retrying = setTimeout(() => {
    for (const task of mayFetch ? remembered.believed.keys() : [])
      if (availability.unavailable.has(task)) pool.retrySetup(task, true);
  }, FETCH_DELAY_MS);

  return {
    get tasks() {
      return availability.ready;
    },
    stop: async () => {
      clearTimeout(retrying);
      recheck.close();
      stopLogging();
      stopListening();
      await announcer.close();
      await claimLoop.stop(options.drainMs);
      leases.close();
      await pool.close();
      remembered.close();
      scratch.close();
      await jobs.close();
    },
    kill: () => pool.killAll(),
  };
}
