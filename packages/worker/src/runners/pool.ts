/**
 * The runners of one worker. Tasks that name a `process` share one runner for each name; the others run in general ones,
 * one job at a time in each, so that a crash has one suspect.
 *
 * ```
 *              +------- next job -------+
 *              v                        |
 * started --> lent --given back--> idle (kept) --worker idle for a while--> stopped
 *    |         |  \--given back too large--> stopped
 *    |         +--crash, or kill()--> gone
 *    +--no job wants it: idle
 * ```
 *
 * The first runner of each kind is started with the worker, to learn which tasks can run, unless that is known from an
 * earlier start; all later ones when a job needs one. While jobs come they are kept, so that none is started again and
 * again; when none has come for a while, all end, because an idle one holds 90 MB.
 */

import type { Logger } from '@cl-server/service-kit';
import type { Confinement } from './confine.js';
import type { RunnableTask, RunnerEnvironment } from './protocol.js';
import { Runner, type TaskState } from './runner.js';
import { TaskStates } from './task-states.js';

/** A task and the name of the process that it shares, if any. */
export interface PooledTask extends RunnableTask {
  readonly process: string | undefined;
  /** Comes with the platform. */
  readonly isBuiltin: boolean;
}

export interface PoolOptions {
  readonly tasks: readonly PooledTask[];
  /** Tasks that need no process to learn whether they can run. */
  readonly known: ReadonlySet<string>;
  readonly env: RunnerEnvironment;
  /** Environment variables of the runners; secrets are left out. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Most general runners. */
  readonly limit: number;
  /** Megabytes of heap for a general runner. */
  readonly memory: number;
  /** Milliseconds without a job after which general runners end. One that can run nothing ends at once. */
  readonly idleMs: number;
  /** The same for shared ones: they may hold models that take seconds to load. */
  readonly sharedIdleMs: number;
  readonly confinement: Confinement;
  readonly logger: Logger;
  readonly onTaskState: (task: string, state: TaskState) => void;
}

/** A runner lent for one run. */
export interface BorrowedRunner {
  readonly runner: Runner;
  /** Returns it; a private one is ended. */
  release(): void;
}

const MIN_RESPAWN_MS = 500;
const MAX_RESPAWN_MS = 30_000;
/** Tries of unavailable tasks that need a process of their own come less and less often, up to this. */
const MIN_PROBE_MS = 60_000;
const MAX_PROBE_MS = 600_000;
/** A general runner that holds more when its job is done is ended: libraries do not give back what large files took. */
const MAX_KEPT_BYTES = 200_000_000;

/**
 * For runners that hold models: glibc keeps large blocks that were freed, so a model of 350 MB would stay in memory after
 * its unloading (694 MB of 720 did; with these, 126 of 492). Others are better off without: each picture's buffers would be
 * new pages (0.7 ms of a thumbnail's 38). Other systems' allocators do not know the names.
 */
const GIVE_MEMORY_BACK = { MALLOC_MMAP_THRESHOLD_: '1048576', MALLOC_TRIM_THRESHOLD_: '1048576' };

/** Tasks of one kind of runner, and its runners that live. */
interface Group {
  readonly process: string | undefined;
  readonly tasks: readonly PooledTask[];
  /** Tasks whose set-up crashed the process: left out when it starts again, for as long as this worker lives. */
  readonly banned: Set<string>;
  /** Each with the number of runs that it is lent for. */
  readonly runners: Map<Runner, number>;
  sequential: boolean;
  respawnDelay: number;
  /** When a process may be started only to try unavailable tasks again, and how long to wait after that. */
  probeAt: number;
  probeDelay: number;
  lastUsed: number;
}

const newGroup = (process: string | undefined, tasks: readonly PooledTask[]): Group => ({
  process,
  tasks,
  banned: new Set(),
  runners: new Map(),
  sequential: false,
  respawnDelay: MIN_RESPAWN_MS,
  probeAt: performance.now() + MIN_PROBE_MS,
  probeDelay: MIN_PROBE_MS,
  lastUsed: performance.now(),
});

/** Models are fetched by the tasks of the platform that need them, which share a process. */
const fetchesModels = ({ process: name, tasks }: Group, env: PoolOptions['env']): boolean =>
  name !== undefined && tasks.every(({ isBuiltin }) => isBuiltin) && env.settings['MODELS_DOWNLOAD'] !== 'never';

export class RunnerPool {
  readonly #options: PoolOptions;
  readonly #groups: ReadonlyMap<string | undefined, Group>;
  readonly #states: TaskStates;
  readonly #all = new Set<Runner>();
  readonly #known: Record<string, unknown> = {};
  readonly #timers = new Set<NodeJS.Timeout>();
  readonly #retire: NodeJS.Timeout;
  #closed = false;

  constructor(options: PoolOptions) {
    this.#options = options;
    this.#states = new TaskStates(options.onTaskState);
    const names = new Set(options.tasks.map(({ process }) => process));
    this.#groups = new Map(
      [...names].map((name) => [
        name,
        newGroup(
          name,
          options.tasks.filter(({ process }) => process === name),
        ),
      ]),
    );
    for (const group of this.#groups.values()) {
      const unknown = group.tasks.flatMap(({ task }) => (options.known.has(task) ? [] : task));
      if (unknown.length > 0) this.#spawn(group, unknown);
    }
    const idle = Math.min(options.idleMs, options.sharedIdleMs);
    this.#retire = setInterval(() => this.#retireIdle(), Math.max(100, Math.min(idle / 4, 5_000)));
  }

  /**
   * Lends a runner for a task, set up.
   * @param isolated whether it must run alone in a process of its own, because it may have crashed one before
   * @returns undefined if its process has ended and does not come back at once
   */
  async acquire(task: string, isolated: boolean): Promise<BorrowedRunner | undefined> {
    const pooled = this.#options.tasks.find((candidate) => candidate.task === task);
    const group = this.#groups.get(pooled?.process);
    if (!pooled || !group) return undefined;
    if (isolated && group.process !== undefined) return this.#private(pooled);
    const dying = group.process === undefined ? [] : [...group.runners.keys()].filter(({ alive }) => !alive);
    await Promise.all(dying.map(({ exited }) => exited)); // two processes would hold the same models
    const runner = this.#choose(group, task) ?? this.#spawn(group, [task]);
    group.runners.set(runner, (group.runners.get(runner) ?? 0) + 1);
    await runner.decided(task);
    const release = (): void => this.#giveBack(group, runner);
    if (runner.alive) return { runner, release };
    release();
    return undefined;
  }

  /** One that lives and is free: rather one that has the task ready than one that never tried. */
  #choose(group: Group, task: string): Runner | undefined {
    const living = [...group.runners].filter(([{ alive }]) => alive);
    if (group.process !== undefined) return living[0]?.[0];
    const idle = living.flatMap(([runner, loans]) => (loans === 0 ? [runner] : []));
    const inState = (wanted: TaskState['state'] | undefined): Runner | undefined =>
      idle.find((runner) => runner.state(task)?.state === wanted);
    const chosen = inState('ready') ?? inState(undefined) ?? inState('starting');
    return chosen ?? (living.length >= this.#options.limit ? idle[0] : undefined);
  }

  #giveBack(group: Group, runner: Runner): void {
    group.lastUsed = performance.now();
    const loans = group.runners.get(runner);
    if (loans === undefined) return; // it has ended meanwhile
    group.runners.set(runner, loans - 1);
    if (group.process !== undefined || runner.rss <= MAX_KEPT_BYTES || !runner.alive) return;
    this.#options.logger.debug({ runner: runner.pid, rss: runner.rss }, 'a task process has grown large and is ended');
    void runner.stop();
  }

  async #private(task: PooledTask): Promise<BorrowedRunner> {
    const group = newGroup(task.process, [task]);
    const runner = this.#spawn(group, [task.task]);
    await runner.decided(task.task);
    return { runner, release: () => void runner.stop() };
  }

  /**
   * Tries the set-up of an unavailable task again, in each process that has failed at it; if no process lives, in one
   * that is started for it, now and then.
   * @param changed whether there is a reason to think that it may succeed now
   */
  retrySetup(task: string, changed: boolean): void {
    const group = [...this.#groups.values()].find(({ tasks }) => tasks.some((candidate) => candidate.task === task));
    if (!group || group.banned.has(task)) return;
    const living = [...group.runners.keys()].filter(({ alive }) => alive);
    const failed = living.filter((runner) => runner.state(task)?.state === 'unavailable');
    for (const runner of failed) runner.retrySetup(task);
    if (failed.length > 0) return;
    const [first] = living;
    if (first) {
      if (first.state(task) === undefined) first.retrySetup(task);
      return;
    }
    if (!changed && performance.now() < group.probeAt) return;
    group.probeDelay = changed ? MIN_PROBE_MS : Math.min(group.probeDelay * 2, MAX_PROBE_MS);
    group.probeAt = performance.now() + group.probeDelay;
    group.lastUsed = performance.now();
    this.#spawn(group, [task]);
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#retire);
    for (const timer of this.#timers) clearTimeout(timer);
    await Promise.all([...this.#all].map((runner) => runner.stop()));
  }

  /** For the moment when this process ends without time to wait. */
  killAll(): void {
    this.#closed = true;
    for (const runner of this.#all) runner.kill();
  }

  /** @param setUp tasks that are set up at once */
  #spawn(group: Group, setUp: readonly string[]): Runner {
    const { env, environment, confinement, logger, memory } = this.#options;
    const tasks = group.tasks.filter(({ task }) => !group.banned.has(task));
    const runner = new Runner({
      start: {
        tasks: tasks.map(({ task, file }) => ({ task, file })),
        env,
        setUp: setUp.filter((task) => !group.banned.has(task)),
        known: this.#known,
        sequential: group.sequential,
      },
      environment: group.process === undefined ? environment : { ...GIVE_MEMORY_BACK, ...environment },
      memory: group.process === undefined ? memory : undefined,
      confinement,
      network: fetchesModels(group, env),
      logger,
      onTaskState: (task, state) => this.#states.set(runner, task, state),
      onLearned: (name, value) => {
        this.#known[name] = value;
      },
    });
    this.#all.add(runner);
    group.runners.set(runner, 0);
    void runner.exited.then(({ intended, reason }) => {
      this.#all.delete(runner);
      group.runners.delete(runner);
      this.#states.forget(runner);
      if (intended) return;
      logger.warn({ runner: runner.pid, process: group.process, reason }, 'a task process ended unexpectedly');
      this.#blame(group, runner, reason);
      const open = setUp.filter((task) => !group.banned.has(task) && runner.state(task)?.state === 'starting');
      if (open.length > 0) this.#later(group, () => this.#spawn(group, open));
    });
    return runner;
  }

  /** A runner that died while it set up tasks: a single suspect is banned; among several, the next start finds out. */
  #blame(group: Group, runner: Runner, reason: string): void {
    const suspects = [...runner.settingUp];
    const [suspect] = suspects;
    if (suspect === undefined) {
      group.respawnDelay = MIN_RESPAWN_MS;
      return;
    }
    group.respawnDelay = Math.min(group.respawnDelay * 2, MAX_RESPAWN_MS);
    if (suspects.length > 1) {
      group.sequential = true;
      return;
    }
    group.banned.add(suspect);
    const state = {
      state: 'unavailable',
      code: 'task_failed',
      reason: `its set-up ended the process: ${reason}`,
    } as const;
    this.#options.onTaskState(suspect, state);
  }

  #later(group: Group, spawn: () => void): void {
    if (this.#closed) return;
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      if (!this.#closed) spawn();
    }, group.respawnDelay);
    this.#timers.add(timer);
  }

  #retireIdle(): void {
    const now = performance.now();
    for (const group of this.#groups.values()) {
      const runners = [...group.runners];
      const atWork = runners.some(
        ([runner, loans]) => loans > 0 || group.tasks.some(({ task }) => runner.state(task)?.state === 'starting'),
      );
      if (atWork) continue;
      const useful = runners.some(([runner]) => group.tasks.some(({ task }) => runner.state(task)?.state === 'ready'));
      const { idleMs, sharedIdleMs } = this.#options;
      const hasRun = runners.some(([{ rss }]) => rss > 0); // otherwise it only reported what it can run
      const limit = group.process === undefined || !hasRun ? idleMs : sharedIdleMs;
      if (useful && now - group.lastUsed < limit) continue;
      for (const [runner] of runners) if (runner.alive) void runner.stop();
    }
  }
}
