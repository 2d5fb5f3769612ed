/**
 * One supervised process.
 *
 * ```
 *              +------------------ the back-off has ended -----------------+
 *              v                                                         |
 * idle --> starting --ready message--> ready --exit--> crashed (waiting) +
 *              |  |                      |                ^     |
 *              |  +--exit or hang, was ready before-------+     |
 *              |  +--exit or hang, never ready before--> failed |
 *              +-----------drain---------+---------drain--------+--> draining --exit--> stopped
 *              +----------restart--------+--> draining --exit--> starting
 * ```
 *
 * A process that ends before it was ever ready has an error that a person must correct, and its output says which. It is not
 * started again. A process that was ready once is restarted for as long as the platform runs, with a wait that doubles up to
 * `maxBackOff`. From `loopAfter` crashes in a row on it is reported as a crash loop; the other processes are not affected. A
 * process that then runs for `stableAfter` starts counting from zero.
 *
 * A start has no deadline; the process must only show signs of life: an answer to a ping, a line of output, or used processor
 * time. A process without a sign of life for `silence` hangs, and is killed.
 *
 * Drain is a message over IPC; SIGKILL follows at the deadline.
 */
import { type ChildProcess, fork } from 'node:child_process';
import type { Readable } from 'node:stream';
import type { ChildReport, ChildState } from '@cl-server/contract';
import type { DrainMessage, Logger, PingMessage, ReadyMessage } from '@cl-server/service-kit/program';
import { processorTime } from './processor-time.js';

export interface ChildSpec {
  /** The short name in logs: `auth`, `worker-1`. */
  readonly name: string;
  /** The name of the child that must be ready before this one is started. */
  readonly after?: string;
  /** The file of the program; its name appears in the command line. */
  readonly script: string;
  readonly args?: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** Milliseconds that a drain may take before SIGKILL. */
  readonly drainDeadline: number;
}

/** All times are in milliseconds. */
export interface Timing {
  /** A process hangs if it shows no sign of life for this long while it starts. */
  readonly silence: number;
  /** The log mentions a start that takes longer, and again after each further span of this length. */
  readonly reportAfter: number;
  readonly firstBackOff: number;
  readonly maxBackOff: number;
  /** After being ready for this long, a process counts as stable: its next crash is the first one again. */
  readonly stableAfter: number;
  /** The number of crashes in a row from which a crash loop is reported. */
  readonly loopAfter: number;
}

/** After a first crash the process restarts without a wait. Further crashes in a row wait longer and longer. */
export const DEFAULT_TIMING: Timing = {
  silence: 60_000,
  reportAfter: 30_000,
  firstBackOff: 50,
  maxBackOff: 30_000,
  stableAfter: 10_000,
  loopAfter: 5,
};

export interface ChildEvents {
  /** Called with each output stream of each run. */
  readonly output: (stream: Readable, kind: 'stdout' | 'stderr') => void;
  /** Called when `report` has changed. */
  readonly changed: () => void;
}

export type ReadyInfo = ReadyMessage['info'];

/**
 * Options that keep a mostly idle process small: a young generation of 2 MB instead of 16 (V8 lets it grow at a start, and an
 * idle process never shrinks it), two glibc arenas instead of eight per core, and a start without V8's optimizing compilers,
 * which take 7 MB in each process. `runProgram` collects once after the start, and lets V8 optimize once the process is busy.
 */
const SMALL = ['--expose-gc', '--max-semi-space-size=2', '--no-opt', '--no-maglev'] as const;
const SMALL_PROCESS_ENV = { MALLOC_ARENA_MAX: '2' } as const;

export class Child {
  readonly #spec: ChildSpec;
  readonly #events: ChildEvents;
  readonly #logger: Logger;
  readonly #timing: Timing;
  #state: ChildState = 'idle';
  #process: ChildProcess | undefined;
  #crashes = 0;
  #wasReady = false;
  #lastExit: string | null = null;
  #nextStartAt: number | null = null;
  #lastSign = 0;
  /** The timer of the current state: check for life, stability, back-off, or drain deadline. */
  #timer: NodeJS.Timeout | undefined;
  #pendingStart: { resolve(info: ReadyInfo): void; reject(error: Error): void } | undefined;
  /** The running drain, and how it is resolved. */
  #draining: Promise<void> | undefined;
  #stopped: (() => void) | undefined;
  /** It must not start again. */
  #isFinal = false;

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

  get report(): ChildReport {
    return {
      name: this.#spec.name,
      state: this.#state,
      pid: this.pid ?? null,
      crashes: this.#crashes,
      crash_loop: this.#crashes >= this.#timing.loopAfter,
      last_exit: this.#lastExit,
      next_start_at: this.#nextStartAt,
    };
  }

  /**
   * Starts the process for the first time.
   * @returns what the process reports when it is ready
   * @throws Error if it ended before, and its output has the reason; or if it was drained before it was started
   */
  start(): Promise<ReadyInfo> {
    return new Promise((resolve, reject) => {
      if (this.#state !== 'idle') throw new Error(`${this.#spec.name} was stopped before it started`);
      this.#pendingStart = { resolve, reject };
      this.#run();
    });
  }

  /** Ends the process by a drain, or by SIGKILL at the deadline. While it starts it has nothing to finish, and is ended at once. */
  drain(): Promise<void> {
    this.#isFinal = true;
    return this.#end();
  }

  /**
   * Ends the process as `drain` does and starts it again. Resolves when it is ready, or was drained meanwhile. A process that
   * is down starts again by itself.
   */
  async restart(): Promise<void> {
    if (this.#isFinal || (this.#state !== 'ready' && this.#state !== 'starting')) return;
    await this.#end();
    if (this.#isFinal) return;
    await new Promise<unknown>((resolve) => {
      this.#pendingStart = { resolve, reject: resolve };
      this.#run();
    });
  }

  #end(): Promise<void> {
    this.#draining ??= this.#drainProcess().finally(() => {
      this.#draining = undefined;
    });
    return this.#draining;
  }

  #drainProcess(): Promise<void> {
    clearTimeout(this.#timer);
    const running = this.#process;
    if (!running) {
      this.#enter('stopped');
      return Promise.resolve();
    }
    const starts = this.#state === 'starting';
    this.#enter('draining');
    this.#timer = setTimeout(() => {
      this.#logger.warn({ child: this.#spec.name }, 'the process did not stop in time and was killed');
      running.kill('SIGKILL');
    }, this.#spec.drainDeadline);
    return new Promise((resolve) => {
      this.#stopped = resolve;
      if (running.connected && !starts) running.send({ type: 'drain' } satisfies DrainMessage, () => undefined);
      else running.kill('SIGTERM');
    });
  }

  #enter(state: ChildState, wait?: number): void {
    clearTimeout(this.#timer);
    this.#state = state;
    this.#nextStartAt = wait === undefined ? null : Date.now() + wait;
    this.#events.changed();
  }

  #run(): void {
    const { script, args = [], env } = this.#spec;
    const started = fork(script, [...args], {
      env: { ...SMALL_PROCESS_ENV, ...env },
      execArgv: [...SMALL],
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });
    this.#process = started;
    this.#enter('starting');
    for (const [stream, kind] of [
      [started.stdout, 'stdout'],
      [started.stderr, 'stderr'],
    ] as const) {
      if (!stream) continue;
      this.#events.output(stream, kind);
      stream.on('data', () => this.#signOfLife());
    }
    started.on('message', (message) => {
      this.#signOfLife();
      if ((message as ReadyMessage | null)?.type === 'ready') this.#onReady((message as ReadyMessage).info);
    });
    started.on('error', (error) => this.#logger.error({ err: error, child: this.#spec.name }, 'process error'));
    // After "close" its last output has been read as well.
    started.on('close', (code, signal) => this.#onExit(signal ?? `exit code ${code}`));
    this.#watchStart(started);
  }

  #signOfLife(): void {
    this.#lastSign = performance.now();
  }

  /** Checks for signs of life while the process starts, and reports a long start. */
  #watchStart(started: ChildProcess): void {
    const { name } = this.#spec;
    const { silence, reportAfter } = this.#timing;
    const began = performance.now();
    let used = 0;
    let told = 0;
    this.#signOfLife();
    this.#timer = setInterval(
      () => {
        const nowUsed = processorTime(started.pid);
        if (started.connected) started.send({ type: 'ping' } satisfies PingMessage, () => undefined);
        if (nowUsed > used) this.#signOfLife();
        used = nowUsed;
        const now = performance.now();
        const seconds = Math.round((now - began) / 1000);
        if (now - this.#lastSign >= silence) {
          clearTimeout(this.#timer);
          this.#logger.error(
            { child: name },
            `${name} hangs while it starts: no sign of life for ${Math.round(silence / 1000)} s; killing it`,
          );
          started.kill('SIGKILL');
        } else if (now - began >= reportAfter * (told + 1)) {
          told++;
          this.#logger.warn({ child: name }, `${name} is still starting after ${seconds} s`);
        }
      },
      Math.min(1_000, silence / 4, reportAfter / 4),
    );
  }

  #onReady(info: ReadyInfo): void {
    if (this.#state !== 'starting') return;
    const { name } = this.#spec;
    this.#enter('ready');
    if (this.#wasReady) this.#logger.info({ child: name }, `${name} is ready again`);
    this.#wasReady = true;
    this.#pendingStart?.resolve(info);
    this.#timer = setTimeout(() => {
      const looped = this.#crashes >= this.#timing.loopAfter;
      this.#crashes = 0;
      this.#events.changed();
      if (looped) this.#logger.info({ child: name }, `${name} is stable again`);
    }, this.#timing.stableAfter);
  }

  #onExit(how: string): void {
    const { name } = this.#spec;
    const before = this.#state;
    this.#process = undefined;
    this.#lastExit = how;
    if (before === 'draining') {
      this.#enter('stopped');
      this.#pendingStart?.reject(new Error(`${name} was stopped while it started`));
      this.#stopped?.();
      return;
    }
    if (!this.#wasReady) {
      this.#enter('failed');
      this.#pendingStart?.reject(new Error(`${name} did not start (${how})`));
      return;
    }
    this.#crashes++;
    const { firstBackOff, maxBackOff, loopAfter } = this.#timing;
    const wait = Math.min(firstBackOff * 2 ** Math.min(this.#crashes - 1, 30), maxBackOff);
    this.#enter('crashed', wait);
    const again = `it restarts in ${wait / 1000} s`;
    if (this.#crashes < loopAfter) this.#logger.error({ child: name, how }, `${name} crashed (${how}); ${again}`);
    else
      this.#logger.error(
        { child: name, how, crashes: this.#crashes },
        `CRASH LOOP: ${name} crashed ${this.#crashes} times in a row, last by ${how}; ${again}, the other parts continue`,
      );
    this.#timer = setTimeout(() => this.#run(), wait);
  }
}
