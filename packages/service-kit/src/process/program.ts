/**
 * The life of a server process.
 *
 * ```
 * starting --start() resolves--> running --drain--> draining --stop() resolves--> exit 0
 *  |  |                            |                    |
 *  |  +--StartupError--> exit 1/2  +--crash--> exit 1   +--second signal, or deadline--> exit 1
 *  +--drain--> exit 0, where start() can be broken off when it has let go of what it had, as it says (130: half done)
 * ```
 *
 * Drain is asked for by SIGTERM or SIGINT; under a supervisor (an IPC channel is open) by its `drain` message, while
 * SIGINT is ignored, because a terminal sends Ctrl-C to the whole group and the supervisor decides the order. When the
 * channel closes the supervisor is gone, and so is the reason to run.
 */

import v8 from 'node:v8';
import { printable } from '@cl-server/contract/printable';
import { messageOf } from '@cl-server/kit';
import { StartupError } from '../errors.js';
import { hardenProcess } from './harden.js';

/** Messages between a supervised process and its supervisor. */
export interface ReadyMessage {
  readonly type: 'ready';
  readonly info: Readonly<Record<string, unknown>>;
}
/** The answer to `ping`. It shows that the event loop runs, so that a slow start is not mistaken for one that hangs. */
export interface AliveMessage {
  readonly type: 'alive';
}
export interface PingMessage {
  readonly type: 'ping';
}
export interface DrainMessage {
  readonly type: 'drain';
}

export interface RunningProgram {
  /** Facts for the supervisor; they are not printed. */
  readonly info?: Readonly<Record<string, unknown>>;
  /** Finishes the running work and releases everything. */
  stop(): Promise<void>;
}

export interface ProgramOptions {
  readonly name: string;
  /** Starts everything; a returned undefined means that there is nothing to keep running (help was printed). */
  start(interrupted: AbortSignal): Promise<RunningProgram | undefined>;
  /** `start` heeds its signal: a drain waits until it has let go of everything. Else the process ends at once. */
  readonly canBreakOff?: boolean;
  /** Milliseconds after which a drain is cut short. */
  readonly drainDeadline?: number;
}

/** One Ctrl-C under npm arrives twice, from the terminal and forwarded by npm: within this time it is the same one. */
const SAME_KEYPRESS = 500;

/** Milliseconds after the start at which {@link leaveStart} runs. */
const START_IS_OVER_AFTER = 5_000;
/** Milliseconds between two looks at the processor time that the process uses. */
const LOOK_EVERY = 1_000;
/** The part of one processor from which a process counts as busy. An idle service uses 1 to 3 %. */
const BUSY_SHARE = 0.1;

/**
 * Gives back what only the start needed, if the supervisor started this process with `--expose-gc`, `--no-opt` and
 * `--no-maglev`. The last-resort collection takes 0.1 s. It also returns pages that V8 would keep for later. V8 may optimize as
 * soon as the process is busy: what an idle process does now and then is not worth the memory of the optimizing compilers.
 */
function leaveStart(): void {
  if (!globalThis.gc) return;
  globalThis.gc({ type: 'major', execution: 'sync', flavor: 'last-resort' });
  let before = process.cpuUsage();
  const looking = setInterval(() => {
    const used = process.cpuUsage(before);
    before = process.cpuUsage();
    if (used.user + used.system < BUSY_SHARE * LOOK_EVERY * 1_000) return;
    for (const flag of ['--opt', '--maglev']) v8.setFlagsFromString(flag);
    clearInterval(looking);
  }, LOOK_EVERY).unref();
}

const say = (text: string): void => {
  process.stderr.write(`${printable(text)}\n`);
};

function explain(name: string, error: unknown): number {
  if (error instanceof StartupError) {
    say(error.message.startsWith(`${name}:`) ? error.message : `${name}: ${error.message}`);
    return error.exitCode;
  }
  const { code, port, address } = error as NodeJS.ErrnoException & {
    port?: number;
    address?: string;
  };
  if (code === 'EADDRINUSE') {
    say(`${name}: port ${port} on ${address} is in use: stop what uses it, or choose another port`);
    return 1;
  }
  if (code === 'EACCES' && port !== undefined) {
    say(`${name}: port ${port} may not be opened by this user: choose one above 1023`);
    return 1;
  }
  say(`${name}: ${messageOf(error)}`);
  if (process.env.LOG_LEVEL === 'debug' || process.env.LOG_LEVEL === 'trace')
    say(error instanceof Error ? (error.stack ?? '') : '');
  return 1;
}

/** Runs a program to its end; sets the exit code and ends the process. */
export async function runProgram(options: ProgramOptions): Promise<void> {
  hardenProcess();
  const { name, drainDeadline = 30_000 } = options;
  const interrupted = new AbortController();
  let starting: Promise<RunningProgram | undefined> | undefined;
  let running: RunningProgram | undefined;
  let draining = false;

  let drainedAt = 0;
  const drain = async (): Promise<void> => {
    if (draining) {
      if (performance.now() - drainedAt < SAME_KEYPRESS) return;
      say(`${name}: ended at once`);
      process.exit(1);
    }
    draining = true;
    drainedAt = performance.now();
    const deadline = setTimeout(() => {
      say(`${name}: not drained after ${drainDeadline / 1000} s, ended`);
      process.exit(1);
    }, drainDeadline);
    deadline.unref();
    try {
      interrupted.abort();
      let code = 0;
      if (options.canBreakOff)
        running = await starting?.catch((error: unknown) => {
          if (error instanceof StartupError && error.exitCode === 130) code = explain(name, error);
          return undefined;
        });
      await running?.stop();
      process.exit(code);
    } catch (error) {
      process.exit(explain(name, error));
    }
  };

  const supervised = process.send !== undefined;
  process.on('SIGTERM', () => void drain());
  process.on('SIGINT', () => {
    if (!supervised) void drain();
  });
  if (supervised) {
    process.on('message', (message: unknown) => {
      const { type } = (message ?? {}) as Partial<DrainMessage | PingMessage>;
      if (type === 'drain') void drain();
      if (type === 'ping') process.send?.({ type: 'alive' } satisfies AliveMessage);
    });
    process.on('disconnect', () => process.exit(1));
    if (!process.connected) process.exit(1); // the supervisor went while this program was being loaded
  }
  process.on('uncaughtException', (error) => process.exit(explain(name, error)));
  process.on('unhandledRejection', (error) => process.exit(explain(name, error)));

  try {
    starting = options.start(interrupted.signal);
    running = await starting;
  } catch (error) {
    if (draining) return; // it was broken off; the drain ends the process
    process.exit(explain(name, error));
  }
  if (!running) process.exit(0);
  setTimeout(leaveStart, START_IS_OVER_AFTER).unref();
  process.send?.({ type: 'ready', info: running.info ?? {} } satisfies ReadyMessage);
}
