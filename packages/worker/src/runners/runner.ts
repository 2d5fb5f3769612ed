/**
 * The engine's side of one runner, a child process that leads a process group of its own.
 *
 * ```
 * up --stop()--> stopping --exit--> gone
 *  |                |
 *  +-- exit, or kill() --> gone: every job still in it is lost
 * ```
 *
 * One task in it: untried --first job, or set-up asked for--> starting --> ready | unavailable --retrySetup()--> starting
 */

import { type ChildProcess, fork } from 'node:child_process';
import path from 'node:path';
import { createInterface } from 'node:readline';
import type { UnavailableCode } from '@cl-server/contract';
import { errorCode } from '@cl-server/kit';
import type { Logger } from '@cl-server/service-kit';
import type { Confinement } from './confine.js';
import {
  type FromRunner,
  fromRunner,
  type JobResult,
  type RunMessage,
  type StartMessage,
  type ToRunner,
} from './protocol.js';

export const RUNNER_PROGRAM = path.join(import.meta.dirname, '../child/main.js');
/** Not for the eyes of plugins. */
const SECRET = /PASSWORD|MQTT_|MODELS_MIRROR|SECRET|TOKEN|CREDENTIAL|DATABASE_URL|PRIVATE_KEY|NODE_CHANNEL/;
/** After `stop`, for tear-downs; then the group is killed. */
const STOP_WITHIN = 4_000;
/** Milliseconds for what a dead runner has said and nobody has read yet. */
const DRAIN_MS = 1_000;

export type TaskState =
  | { readonly state: 'starting' }
  | { readonly state: 'ready' }
  | {
      readonly state: 'unavailable';
      readonly code: UnavailableCode;
      readonly reason: string;
    };

export interface RunnerOptions {
  readonly start: Omit<StartMessage, 'type'>;
  /** Environment variables; secrets are left out. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Megabytes of JavaScript heap; undefined for Node's own limit. */
  readonly memory: number | undefined;
  readonly confinement: Confinement;
  /** Whether its tasks need the network. */
  readonly network: boolean;
  readonly logger: Logger;
  readonly onTaskState: (task: string, state: TaskState) => void;
  readonly onLearned: (name: string, value: unknown) => void;
}

export interface RunnerExit {
  /** For people: `SIGSEGV`, `out of memory`, `exit code 3`. */
  readonly reason: string;
  /** Whether the worker ended it. */
  readonly intended: boolean;
}

/** How a job in a runner ended; `died` if its process ended before it. */
export type RunEnd =
  | { readonly result: JobResult; readonly ms?: number | undefined }
  | {
      readonly died: RunnerExit;
      /** Whether no other job was in the process, so that this one must have ended it. */
      readonly alone: boolean;
    };

/** No fault of the job: it goes back to the queue. */
export const NEVER_BEGAN: RunEnd = { result: { ok: null, reason: 'it did not begin' } };

interface Running {
  /** Jobs of the chunk that run one after the other, in order; undefined if all run at once. */
  readonly chunk: Set<string> | undefined;
  readonly end: (end: RunEnd) => void;
  readonly onProgress: (percent: number) => void;
}

export class Runner {
  readonly exited: Promise<RunnerExit>;
  readonly #child: ChildProcess;
  readonly #options: RunnerOptions;
  readonly #running = new Map<string, Running>();
  readonly #states = new Map<string, TaskState>();
  /** Tasks that are being set up: suspects if the process dies now. */
  readonly settingUp = new Set<string>();
  /** Callers that wait until a set-up has ended. */
  readonly #waiting = new Set<() => void>();
  #rss = 0;
  #intended = false;
  #gone = false;
  #outOfMemory = false;

  constructor(options: RunnerOptions) {
    this.#options = options;
    for (const task of options.start.setUp) this.#states.set(task, { state: 'starting' });
    const { memory, confinement, network } = options;
    const heap = memory === undefined ? [] : [`--max-old-space-size=${memory}`];
    const { execPath, execArgv } = confinement.command(heap, network);
    this.#child = fork(RUNNER_PROGRAM, [String(process.pid)], {
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      env: Object.fromEntries(Object.entries(options.environment).filter(([name]) => !SECRET.test(name))),
      execPath,
      execArgv: [...execArgv],
    });
    this.exited = new Promise((resolve) => {
      this.#child.on('exit', (code, signal) => {
        this.#gone = true;
        this.#killGroup(); // tools whose runner crashed
        // Results that it sent before it died are still in the channel; its end is reported when all of them are read.
        const drained = setTimeout(() => resolve(this.#onExit(code, signal)), DRAIN_MS);
        const finish = (): void => {
          clearTimeout(drained);
          resolve(this.#onExit(code, signal));
        };
        if (this.#child.connected) this.#child.once('disconnect', finish);
        else finish();
      });
      this.#child.on('error', (error) => {
        // The process could not be started at all; there is no exit then.
        if (this.#child.pid === undefined) resolve(this.#onExit(null, null, error.message));
      });
    });
    this.#child.on('message', (message) => this.#onMessage(message));
    this.#logLines();
    this.#send({ type: 'start', ...options.start });
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** Jobs in it now. */
  get jobs(): number {
    return this.#running.size;
  }

  get alive(): boolean {
    return !this.#gone && !this.#intended;
  }

  /** Undefined if its set-up was never requested. */
  state(task: string): TaskState | undefined {
    return this.#states.get(task);
  }

  /** Bytes that the process held after its last job. */
  get rss(): number {
    return this.#rss;
  }

  /** Resolves when the set-up of a task has ended, which is requested if it never was, or when the process has ended. */
  async decided(task: string): Promise<void> {
    if (!this.#states.has(task)) this.retrySetup(task);
    while (!this.#gone && this.#states.get(task)?.state === 'starting')
      await new Promise<void>((resolve) => this.#waiting.add(resolve));
  }

  /** @returns for each job, in order, a promise of its end; none rejects */
  run(message: Omit<RunMessage, 'type'>, onProgress: (jobId: string, percent: number) => void): Promise<RunEnd>[] {
    // A process that has ended already did not fail at these jobs.
    if (this.#gone) return message.jobs.map(async () => NEVER_BEGAN);
    const chunk = message.inTurn ? new Set(message.jobs.map(({ job_id }) => job_id)) : undefined;
    const ends = message.jobs.map(
      ({ job_id }) =>
        new Promise<RunEnd>((end) => {
          this.#running.set(job_id, { chunk, end, onProgress: (percent) => onProgress(job_id, percent) });
        }),
    );
    this.#send({ type: 'run', ...message });
    return ends;
  }

  abort(jobId: string, reason: string): void {
    this.#send({ type: 'abort', job_id: jobId, reason });
  }

  /** Jobs whose turn has not come will not begin; each ends at once. */
  returnWaiting(): void {
    this.#send({ type: 'return' });
  }

  /** Sets a task up that never was, or could not be. */
  retrySetup(task: string): void {
    if (!this.#states.has(task)) this.#states.set(task, { state: 'starting' });
    this.#send({ type: 'setup', task });
  }

  /** Ends the process and every tool it started, at once. */
  kill(): void {
    this.#intended = true;
    this.#killGroup();
  }

  async stop(): Promise<void> {
    this.#intended = true;
    this.#send({ type: 'stop' });
    const late = setTimeout(() => this.#killGroup(), STOP_WITHIN);
    await this.exited;
    clearTimeout(late);
  }

  #killGroup(): void {
    const { pid } = this.#child;
    if (pid === undefined) return;
    try {
      process.kill(-pid, 'SIGKILL');
    } catch (error) {
      if (errorCode(error) !== 'ESRCH') throw error;
    }
  }

  #send(message: ToRunner): void {
    // A channel that is closing is reported by 'exit'; the callback keeps the write error from being thrown.
    if (this.#child.connected) this.#child.send(message, () => undefined);
  }

  #onMessage(raw: unknown): void {
    const parsed = fromRunner.safeParse(raw);
    if (parsed.success) this.#handle(parsed.data);
    else this.#refuse(raw);
  }

  /** A job whose result cannot be read ends at once; otherwise it would wait for its time limit. */
  #refuse(raw: unknown): void {
    this.#options.logger.warn({ runner: this.pid }, 'a task process sent a message that cannot be read');
    const { type, job_id: jobId } = (raw ?? {}) as { readonly type?: unknown; readonly job_id?: unknown };
    if (type !== 'result' || typeof jobId !== 'string') return;
    const message = 'The result of the task cannot be read';
    this.#endJob(jobId, { ok: false, code: 'task_failed', message, retryable: false }, undefined);
  }

  #handle(message: FromRunner): void {
    switch (message.type) {
      case 'setting_up':
        this.settingUp.add(message.task);
        break;
      case 'ready':
        this.#setTaskState(message.task, { state: 'ready' });
        break;
      case 'unavailable':
        this.#setTaskState(message.task, { state: 'unavailable', code: message.code, reason: message.reason });
        break;
      case 'learned':
        this.#options.onLearned(message.name, message.value);
        break;
      case 'progress':
        this.#running.get(message.job_id)?.onProgress(message.percent);
        break;
      case 'result':
        this.#rss = message.rss ?? this.#rss;
        this.#endJob(message.job_id, message.result, message.ms);
        break;
      case 'log':
        this.#log(message);
    }
  }

  #endJob(jobId: string, result: JobResult, ms: number | undefined): void {
    const running = this.#running.get(jobId);
    this.#running.delete(jobId);
    running?.chunk?.delete(jobId);
    running?.end({ result, ms });
  }

  #log({ level, fields, job_id, message }: Extract<FromRunner, { type: 'log' }>): void {
    this.#options.logger[level]({ ...fields, ...(job_id !== undefined && { job_id }) }, message);
  }

  #setTaskState(task: string, state: TaskState): void {
    this.settingUp.delete(task);
    this.#states.set(task, state);
    this.#options.onTaskState(task, state);
    this.#wake();
  }

  #wake(): void {
    for (const resolve of this.#waiting) resolve();
    this.#waiting.clear();
  }

  #onExit(code: number | null, signal: NodeJS.Signals | null, failure?: string): RunnerExit {
    this.#gone = true;
    const byMemory = this.#outOfMemory || (code === 134 && signal === null);
    const ended = signal === 'SIGKILL' ? 'SIGKILL (possibly out of memory)' : (signal ?? `exit code ${code}`);
    const exit = { reason: failure ?? (byMemory ? 'out of memory' : ended), intended: this.#intended };
    this.#wake();
    this.#loseAll(exit);
    return exit;
  }

  #loseAll(exit: RunnerExit): void {
    const begun = [...this.#running].filter(
      ([jobId, { chunk }]) => chunk === undefined || chunk.values().next().value === jobId,
    );
    for (const [jobId, { end }] of begun) {
      this.#running.delete(jobId);
      end({ died: exit, alone: begun.length === 1 });
    }
    for (const { end } of this.#running.values()) end(NEVER_BEGAN);
    this.#running.clear();
  }

  /** Output of tasks and their libraries goes to the log, with the job's id if only one can have printed it. */
  #logLines(): void {
    for (const [name, stream] of [
      ['stdout', this.#child.stdout],
      ['stderr', this.#child.stderr],
    ] as const) {
      if (!stream) continue;
      createInterface({ input: stream }).on('line', (line) => {
        if (name === 'stderr' && line.includes('heap out of memory')) this.#outOfMemory = true;
        const [jobId, more] = this.#running.keys();
        const fields = {
          runner: this.pid,
          stream: name,
          ...(more === undefined && jobId !== undefined && { job_id: jobId }),
        };
        this.#options.logger.info(fields, line.slice(0, 2_000));
      });
    }
  }
}
