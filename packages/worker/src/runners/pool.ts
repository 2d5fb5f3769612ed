/**
 * The runners of one worker. Tasks that name a `process` share one runner for each word; the others run in general ones,
 * one job at a time in each, so that a crash has one suspect. One idle general runner more than needed is kept warm.
 */

import type { Logger } from '@cl-server/runtime';
import type { TaskEnvironment } from '@cl-server/task-kit';
import type { RunnableTask } from './protocol.js';
import { Runner, type TaskState } from './runner.js';

/** A task and the word for the process that it shares, if any. */
export interface PooledTask extends RunnableTask {
  readonly process: string | undefined;
}

export interface PoolOptions {
  readonly tasks: readonly PooledTask[];
  readonly env: Omit<TaskEnvironment, 'logger'>;
  /** Environment variables of the runners; secrets are left out. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Most general runners. */
  readonly limit: number;
  /** Megabytes of heap for a general runner. */
  readonly memory: number;
  readonly logger: Logger;
  readonly onTaskState: (task: string, state: TaskState) => void;
}

/** A runner lent for one run. */
export interface Loan {
  readonly runner: Runner;
  /** Gives it back; a private one is ended. */
  release(): void;
}

/** General runners that stay when all is quiet; more come with the work and go after a while. */
const WARM = 2;
const RETIRE_AFTER = 60_000;
const RESPAWN_MIN = 500;
const RESPAWN_MAX = 30_000;

/**
 * For runners that hold models: glibc keeps large blocks that were freed, so a model of 350 MB would stay in memory after
 * its unloading (694 MB of 720 did; with these, 126 of 492). Others are better off without: each picture's buffers would be
 * new pages (0.7 ms of a thumbnail's 38). Other systems' allocators do not know the names.
 */
const GIVE_MEMORY_BACK = { MALLOC_MMAP_THRESHOLD_: '1048576', MALLOC_TRIM_THRESHOLD_: '1048576' };

/** Tasks of one kind of runner. */
interface Group {
  readonly word: string | undefined;
  readonly tasks: readonly PooledTask[];
  /** Tasks whose set-up crashed the process: left out when it starts anew, for as long as this worker lives. */
  readonly banned: Set<string>;
  sequential: boolean;
  respawnDelay: number;
}

export class RunnerPool {
  readonly #options: PoolOptions;
  readonly #general: Group;
  readonly #shared = new Map<string, { readonly group: Group; readonly runner: Runner }>();
  readonly #all = new Set<Runner>();
  readonly #idle: { readonly runner: Runner; readonly since: number }[] = [];
  readonly #timers = new Set<NodeJS.Timeout>();
  readonly #retire: NodeJS.Timeout;
  #generalCount = 0;
  #closed = false;

  constructor(options: PoolOptions) {
    this.#options = options;
    const group = (word: string | undefined): Group => ({
      word,
      tasks: options.tasks.filter((task) => task.process === word),
      banned: new Set(),
      sequential: false,
      respawnDelay: RESPAWN_MIN,
    });
    this.#general = group(undefined);
    for (const word of new Set(options.tasks.flatMap((task) => task.process ?? []))) this.#spawnShared(group(word));
    if (this.#general.tasks.length > 0)
      for (let count = Math.min(WARM, options.limit); count > 0; count--) this.#spawnSpare();
    this.#retire = setInterval(() => this.#retireIdle(), RETIRE_AFTER / 2);
  }

  /**
   * Lends a runner for a task.
   * @param isolated whether it must run alone in a process of its own, because it may have crashed one before
   * @returns undefined where its process is gone and does not come back at once
   */
  async acquire(task: string, isolated: boolean): Promise<Loan | undefined> {
    const pooled = this.#options.tasks.find((candidate) => candidate.task === task);
    if (pooled?.process !== undefined) return isolated ? this.#private(pooled) : this.#lendShared(pooled.process);
    const runner = this.#takeIdle() ?? this.#spawnGeneral();
    if (this.#idle.length === 0) this.#spawnSpare();
    await runner.started;
    return { runner, release: () => this.#giveBack(runner) };
  }

  async #lendShared(word: string): Promise<Loan | undefined> {
    const before = this.#shared.get(word)?.runner;
    if (before?.alive === false) await before.exited; // killed a moment ago: another is started at its exit
    const runner = this.#shared.get(word)?.runner;
    await runner?.started;
    return runner?.alive ? { runner, release: () => undefined } : undefined;
  }

  async #private(task: PooledTask): Promise<Loan> {
    const group = { word: task.process, tasks: [task], banned: new Set<string>(), sequential: false, respawnDelay: 0 };
    const runner = this.#spawn(group, undefined);
    await runner.started;
    return { runner, release: () => void runner.stop() };
  }

  /** Tries the set-up of an unavailable task again, wherever it runs. */
  retrySetup(task: string): void {
    for (const runner of this.#all) if (runner.state(task).state === 'unavailable') runner.retrySetup(task);
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

  #spawn(group: Group, memory: number | undefined): Runner {
    const { env, environment, logger, onTaskState } = this.#options;
    const tasks = group.tasks.filter(({ task }) => !group.banned.has(task));
    const runner = new Runner({
      start: { tasks: tasks.map(({ task, file }) => ({ task, file })), env, sequential: group.sequential },
      environment: group.word === undefined ? environment : { ...GIVE_MEMORY_BACK, ...environment },
      memory,
      logger,
      onTaskState,
    });
    this.#all.add(runner);
    void runner.exited.then(({ intended, reason }) => {
      this.#all.delete(runner);
      if (intended) return;
      logger.warn({ runner: runner.pid, process: group.word, reason }, 'a runner ended unexpectedly');
      this.#blame(group, runner, reason);
    });
    return runner;
  }

  /** A runner that died while it set up tasks: one suspect is out, among several the next start will tell. */
  #blame(group: Group, runner: Runner, reason: string): void {
    const suspects = [...runner.settingUp];
    const [suspect] = suspects;
    if (suspect === undefined) {
      group.respawnDelay = RESPAWN_MIN;
      return;
    }
    group.respawnDelay = Math.min(group.respawnDelay * 2, RESPAWN_MAX);
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

  #spawnShared(group: Group): void {
    const runner = this.#spawn(group, undefined);
    this.#shared.set(group.word ?? '', { group, runner });
    void runner.exited.then(() => {
      if (this.#closed) return;
      for (const { task } of group.tasks)
        if (!group.banned.has(task)) this.#options.onTaskState(task, { state: 'starting' });
      if (runner.settingUp.size > 0) this.#later(group, () => this.#spawnShared(group));
      else this.#spawnShared(group);
    });
  }

  #spawnGeneral(): Runner {
    this.#generalCount++;
    const runner = this.#spawn(this.#general, this.#options.memory);
    void runner.exited.then(({ intended }) => {
      this.#generalCount--;
      const index = this.#idle.findIndex((idle) => idle.runner === runner);
      if (index >= 0) this.#idle.splice(index, 1);
      if (!intended || this.#generalCount < WARM) this.#later(this.#general, () => this.#spawnSpare());
    });
    return runner;
  }

  #spawnSpare(): void {
    if (this.#closed || this.#generalCount >= this.#options.limit) return;
    this.#idle.push({ runner: this.#spawnGeneral(), since: performance.now() });
  }

  #takeIdle(): Runner | undefined {
    return this.#idle.shift()?.runner;
  }

  #giveBack(runner: Runner): void {
    if (runner.alive) this.#idle.unshift({ runner, since: performance.now() });
  }

  #retireIdle(): void {
    const now = performance.now();
    for (const idle of [...this.#idle])
      if (this.#idle.length > WARM && now - idle.since > RETIRE_AFTER) {
        this.#idle.splice(this.#idle.indexOf(idle), 1);
        void idle.runner.stop();
      }
  }
}
