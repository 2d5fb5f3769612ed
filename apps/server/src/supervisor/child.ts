/**
 * One supervised process.
 *
 * ```
 *              +------------------ the back-off is over -----------------+
 *              v                                                         |
 * idle --> starting --ready message--> ready --exit--> crashed (waiting) +
 *              |  |                      |                ^     |
 *              |  +--exit or hang, was ready before-------+     |
 *              |  +--exit or hang, never ready before--> failed |
 *              +-----------drain---------+---------drain--------+--> draining --exit--> stopped
 * ```
 *
 * A process that ends before it was ever ready has a fault that a person must correct, and its own words say which: it
 * is not started again. A process that was ready once is started again for as long as the platform runs, with a wait
 * that doubles up to `maxBackOff`. From `loopAfter` crashes in a row on it is reported as a crash loop; the other
 * processes are not touched by that. A process that then runs for `proven` starts counting from zero.
 *
 * A start has no deadline: what counts is that the process shows life. Life is its answer to a ping, a line of
 * output, or processor time that it used. A process that shows none for `silence` hangs, and is killed.
 *
 * Drain is a message over IPC; SIGKILL follows at the deadline.
 */
import { type ChildProcess, fork } from 'node:child_process';
import type { Readable } from 'node:stream';
import type { ChildReport, ChildState } from '@cl-server/contract';
import type { DrainMessage, Logger, PingMessage, ReadyMessage } from '@cl-server/service-kit/program';
import { processorTime } from './processor-time.js';

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

/** All in milliseconds, but for `loopAfter`. */
export interface Timing {
  /** Without a sign of life for this long while it starts, a process hangs. */
  readonly silence: number;
  /** A start that takes longer is mentioned in the log, again after each further span of this length. */
  readonly tellAfter: number;
  readonly firstBackOff: number;
  readonly maxBackOff: number;
  /** A process that was ready for this long has proved itself: its next crash is the first again. */
  readonly proven: number;
  /** Crashes in a row that are reported as a crash loop. */
  readonly loopAfter: number;
}

/** A first crash is no reason to wait: the process is ready again as soon as it can be. One that goes on crashing waits. */
export const DEFAULT_TIMING: Timing = {
  silence: 60_000,
  tellAfter: 30_000,
  firstBackOff: 50,
  maxBackOff: 30_000,
  proven: 10_000,
  loopAfter: 5,
};

export interface ChildEvents {
  /** Each output stream of each run. */
  readonly output: (stream: Readable, kind: 'stdout' | 'stderr') => void;
  /** `report` says something new. */
  readonly changed: () => void;
}

export type ReadyInfo = ReadyMessage['info'];

/**
 * What keeps a process small that mostly waits: a young generation of 2 MB instead of 16 (V8 lets it grow at a start, and
 * idle brings nothing back), two arenas of glibc instead of eight for each core, and leave to collect once after the start.
 */
const SMALL = ['--expose-gc', '--max-semi-space-size=2'] as const;
const SMALL_ENV = { MALLOC_ARENA_MAX: '2' } as const;

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
  /** Of the state: look for life, proof, back-off, drain deadline. */
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

  #enter(state: ChildState, wait?: number): void {
    clearTimeout(this.#timer);
    this.#state = state;
    this.#nextStartAt = wait === undefined ? null : Date.now() + wait;
    this.#events.changed();
  }

  #run(): void {
    const { script, args = [], env } = this.#spec;
    const started = fork(script, [...args], {
      env: { ...SMALL_ENV, ...env },
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
    // After "close" its last words are read as well.
    started.on('close', (code, signal) => this.#onExit(signal ?? `exit code ${code}`));
    this.#watchStart(started);
  }

  #signOfLife(): void {
    this.#lastSign = performance.now();
  }

  /** Looks for life while the process starts, and says when that takes long. */
  #watchStart(started: ChildProcess): void {
    const { name } = this.#spec;
    const { silence, tellAfter } = this.#timing;
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
            `${name} hangs while it starts: no sign of life for ${Math.round(silence / 1000)} s; it is killed`,
          );
          started.kill('SIGKILL');
        } else if (now - began >= tellAfter * (told + 1)) {
          told++;
          this.#logger.warn({ child: name }, `${name} is still starting after ${seconds} s, and shows life`);
        }
      },
      Math.min(1_000, silence / 4, tellAfter / 4),
    );
  }

  #onReady(info: ReadyInfo): void {
    if (this.#state !== 'starting') return;
    const { name } = this.#spec;
    this.#enter('ready');
    if (this.#wasReady) this.#logger.info({ child: name }, `${name} is back`);
    this.#wasReady = true;
    this.#settleStart?.resolve(info);
    this.#timer = setTimeout(() => {
      const looped = this.#crashes >= this.#timing.loopAfter;
      this.#crashes = 0;
      this.#events.changed();
      if (looped) this.#logger.info({ child: name }, `${name} is stable again`);
    }, this.#timing.proven);
  }

  #onExit(how: string): void {
    const { name } = this.#spec;
    const before = this.#state;
    this.#process = undefined;
    this.#lastExit = how;
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
    this.#crashes++;
    const { firstBackOff, maxBackOff, loopAfter } = this.#timing;
    const wait = Math.min(firstBackOff * 2 ** Math.min(this.#crashes - 1, 30), maxBackOff);
    this.#enter('crashed', wait);
    const again = `it is started again in ${wait / 1000} s`;
    if (this.#crashes < loopAfter) this.#logger.error({ child: name, how }, `${name} crashed (${how}); ${again}`);
    else
      this.#logger.error(
        { child: name, how, crashes: this.#crashes },
        `CRASH LOOP: ${name} crashed ${this.#crashes} times in a row, last by ${how}; ${again}, the other parts go on`,
      );
    this.#timer = setTimeout(() => this.#run(), wait);
  }
}
