/**
 * One supervised process.
 *
 * ```
 *              +------------------- back-off is over --------------------+
 *              v                                                          |
 * idle --> starting --ready message--> ready --exit--> crashed (waiting) -+
 *              |                         |                 |
 *              +--exit, never ready      |                 +--too many in a row--> given up
 *              |  before: failed         |
 *              +-----------drain---------+--> draining --exit--> stopped
 * ```
 *
 * A process that never became ready has a fault that a person must mend, and has said which: it is not started again.
 * One that was ready is, until it crashes too often. Drain is a message over IPC; SIGKILL follows at the deadline.
 */
import { type ChildProcess, fork } from 'node:child_process';
import type { Readable } from 'node:stream';
import type { DrainMessage, Logger, ReadyMessage } from '@cl-server/runtime/program';

export interface ChildSpec {
  /** Short name for logs: `auth`, `worker-1`. */
  readonly name: string;
  /** Name of the child that must be ready before this one is started. */
  readonly after?: string;
  /** The program's file; its name shows in the command line. */
  readonly script: string;
  readonly args?: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** Milliseconds a drain may take before SIGKILL. */
  readonly drainDeadline: number;
}

export interface Timing {
  /** Milliseconds from start to ready. */
  readonly startDeadline: number;
  readonly firstBackOff: number;
  readonly maxBackOff: number;
  /** A process that was ready for this long has proved itself: its next crash is the first again. */
  readonly proven: number;
  /** Crashes in a row after which nothing is tried any more. */
  readonly maxCrashes: number;
}

/** A first crash is no reason to wait: the process is ready again as soon as it can be. One that goes on crashing waits. */
export const DEFAULT_TIMING: Timing = {
  startDeadline: 60_000,
  firstBackOff: 50,
  maxBackOff: 4_000,
  proven: 10_000,
  maxCrashes: 8,
};

export type ChildState = 'idle' | 'starting' | 'ready' | 'crashed' | 'draining' | 'stopped' | 'failed' | 'given up';

export interface ChildEvents {
  /** Each output stream of each run. */
  readonly output: (stream: Readable, kind: 'stdout' | 'stderr') => void;
  /** Crashed too often: it stays down. */
  readonly gaveUp: (reason: string) => void;
}

export type ReadyInfo = ReadyMessage['info'];

export class Child {
  readonly #spec: ChildSpec;
  readonly #events: ChildEvents;
  readonly #logger: Logger;
  readonly #timing: Timing;
  #state: ChildState = 'idle';
  #process: ChildProcess | undefined;
  #crashes = 0;
  #wasReady = false;
  #readySince = 0;
  /** Of the state: start deadline, back-off, drain deadline. */
  #timer: NodeJS.Timeout | undefined;
  #settleStart: { resolve(info: ReadyInfo): void; reject(error: Error): void } | undefined;
  #stopped: (() => void) | undefined;

  constructor(spec: ChildSpec, events: ChildEvents, logger: Logger, timing: Timing = DEFAULT_TIMING) {
    this.#spec = spec;
    this.#events = events;
    this.#logger = logger;
    this.#timing = timing;
  }

  get state(): ChildState {
    return this.#state;
  }

  get pid(): number | undefined {
    return this.#process?.pid;
  }

  /**
   * Starts it for the first time.
   * @returns what it says of itself when ready
   * @throws Error where it ended before, and its own output says why; or where it was drained before it was started
   */
  start(): Promise<ReadyInfo> {
    return new Promise((resolve, reject) => {
      if (this.#state !== 'idle') throw new Error(`${this.#spec.name} was stopped before it started`);
      this.#settleStart = { resolve, reject };
      this.#run();
    });
  }

  /** Ends it: by its own drain, or by SIGKILL at the deadline. One that starts has nothing to finish, and may not listen yet. */
  drain(): Promise<void> {
    clearTimeout(this.#timer);
    const running = this.#process;
    if (!running) {
      this.#enter('stopped');
      return Promise.resolve();
    }
    const starts = this.#state === 'starting';
    this.#enter('draining');
    this.#timer = setTimeout(() => {
      this.#logger.warn({ child: this.#spec.name }, 'not drained in time, killed');
      running.kill('SIGKILL');
    }, this.#spec.drainDeadline);
    return new Promise((resolve) => {
      this.#stopped = resolve;
      if (running.connected && !starts) running.send({ type: 'drain' } satisfies DrainMessage, () => undefined);
      else running.kill('SIGTERM');
    });
  }

  #enter(state: ChildState): void {
    clearTimeout(this.#timer);
    this.#state = state;
  }

  #run(): void {
    this.#enter('starting');
    const { script, args = [], env } = this.#spec;
    const started = fork(script, [...args], {
      env: { ...env },
      execArgv: [],
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });
    this.#process = started;
    if (started.stdout) this.#events.output(started.stdout, 'stdout');
    if (started.stderr) this.#events.output(started.stderr, 'stderr');
    started.on('message', (message) => {
      if ((message as ReadyMessage | null)?.type === 'ready') this.#onReady((message as ReadyMessage).info);
    });
    started.on('error', (error) => this.#logger.error({ err: error, child: this.#spec.name }, 'process error'));
    // After "close" its last words are read as well.
    started.on('close', (code, signal) => this.#onExit(signal ?? `exit code ${code}`));
    this.#timer = setTimeout(() => {
      this.#logger.warn({ child: this.#spec.name }, 'not ready in time, killed');
      started.kill('SIGKILL');
    }, this.#timing.startDeadline);
  }

  #onReady(info: ReadyInfo): void {
    if (this.#state !== 'starting') return;
    this.#enter('ready');
    this.#readySince = performance.now();
    if (this.#wasReady) this.#logger.info({ child: this.#spec.name }, `${this.#spec.name} is back`);
    this.#wasReady = true;
    this.#settleStart?.resolve(info);
  }

  #onExit(how: string): void {
    const { name } = this.#spec;
    const before = this.#state;
    this.#process = undefined;
    if (before === 'draining') {
      this.#enter('stopped');
      this.#settleStart?.reject(new Error(`${name} was stopped while it started`));
      this.#stopped?.();
      return;
    }
    if (!this.#wasReady) {
      this.#enter('failed');
      this.#settleStart?.reject(new Error(`${name} did not start (${how})`));
      return;
    }
    const lasted = before === 'ready' ? performance.now() - this.#readySince : 0;
    this.#crashes = lasted >= this.#timing.proven ? 1 : this.#crashes + 1;
    if (this.#crashes >= this.#timing.maxCrashes) {
      this.#enter('given up');
      this.#events.gaveUp(`${name} crashed ${this.#crashes} times in a row, last by ${how}`);
      return;
    }
    const wait = Math.min(this.#timing.firstBackOff * 2 ** (this.#crashes - 1), this.#timing.maxBackOff);
    this.#enter('crashed');
    this.#logger.error({ child: name, how }, `${name} crashed (${how}), started again in ${wait / 1000} s`);
    this.#timer = setTimeout(() => this.#run(), wait);
  }
}
