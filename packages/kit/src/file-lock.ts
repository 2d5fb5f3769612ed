/**
 * A lock file, by which processes, also of several machines, do one piece of work at a time.
 *
 * ```
 *  free --created--> held --work ends--> free
 *   ^                 |
 *   +--moved away-----+  not touched for long, or its process is gone: by the next waiting process
 * ```
 *
 * A holder that was suspended for longer than `STALE_AFTER` and continues has lost its lock without noticing it. Work
 * under the lock may then be done twice, and must do no harm.
 */
import { randomBytes } from 'node:crypto';
import fsp from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { errorCode, isMissing } from './errors.js';
import { isProcessAlive } from './process-alive.js';

const LOOK_EVERY = 200;
const TOUCH_EVERY = 5_000;
/** A holder that has not touched its lock for this long is gone, for example because its machine stopped. */
const STALE_AFTER = 30_000;

/** The process id alone is not enough: it has no meaning on another machine, and one process can hold several locks. */
const newHolder = (): string => `${process.pid} ${os.hostname()} ${randomBytes(8).toString('hex')}`;

const isHere = (holder: string): boolean => (holder.split(' ')[1] ?? os.hostname()) === os.hostname();

const isDead = (holder: string): boolean => {
  const [pid, host = os.hostname()] = holder.split(' ');
  return host === os.hostname() && Number(pid) > 0 && !isProcessAlive(Number(pid));
};

const read = (file: string): Promise<string | undefined> => fsp.readFile(file, 'utf8').catch(() => undefined);

async function create(lock: string, holder: string): Promise<boolean> {
  try {
    await fsp.mkdir(path.dirname(lock), { recursive: true });
    await fsp.writeFile(lock, holder, { flag: 'wx' });
    return true;
  } catch (error) {
    // ENOENT: another process removed the folder in between.
    if (['EEXIST', 'ENOENT'].includes(errorCode(error) ?? '')) return false;
    throw error;
  }
}

/** Two processes may find a lock abandoned at once: the slower one has moved the faster one's new lock, and puts it back. */
async function breakAbandoned(lock: string): Promise<void> {
  const stat = await fsp.stat(lock).catch(() => undefined);
  const holder = await read(lock);
  if (!stat || holder === undefined) return;
  if (!isDead(holder) && Date.now() - stat.mtimeMs <= STALE_AFTER) return;
  const moved = `${lock}.${randomBytes(4).toString('hex')}`;
  try {
    await fsp.rename(lock, moved);
  } catch (error) {
    if (isMissing(error)) return;
    throw error;
  }
  const taken = await read(moved);
  if (taken !== undefined && taken !== holder) await create(lock, taken);
  await fsp.rm(moved, { force: true });
}

async function take(lock: string, holder: string): Promise<boolean> {
  if (await create(lock, holder)) return true;
  await breakAbandoned(lock);
  return false;
}

export interface LockOptions {
  /** Ends the wait, not the work. */
  readonly signal?: AbortSignal | undefined;
  /** Called once if another process holds the lock. */
  readonly onWait?: (() => void) | undefined;
}

/**
 * Waits for the lock, runs `work` and releases the lock. Creates the lock's folder if it is missing.
 * @throws the signal's AbortError if it ends the waiting
 */
export async function withLock<T>(lock: string, { signal, onWait }: LockOptions, work: () => Promise<T>): Promise<T> {
  const holder = newHolder();
  if (!(await take(lock, holder))) {
    onWait?.();
    do await pause(LOOK_EVERY, undefined, signal ? { signal } : {});
    while (!(await take(lock, holder)));
  }
  const release = hold(lock, holder);
  try {
    return await work();
  } finally {
    await release();
  }
}

/** Keeps a lock that was taken from looking abandoned. @returns a function that releases it */
function hold(lock: string, holder: string): () => Promise<void> {
  const touch = setInterval(() => {
    const now = new Date();
    void fsp.utimes(lock, now, now).catch(() => undefined);
  }, TOUCH_EVERY);
  touch.unref();
  return async () => {
    clearInterval(touch);
    if ((await read(lock)) === holder) await fsp.rm(lock, { force: true });
  };
}

/**
 * Takes a lock for as long as the caller likes. The lock of a process that is gone is taken over; one of another machine
 * is taken over after it was not touched for `STALE_AFTER`.
 * @returns a function that releases it; undefined if a living process holds the lock
 */
export async function takeLock(lock: string): Promise<(() => Promise<void>) | undefined> {
  const holder = newHolder();
  const patience = performance.now() + STALE_AFTER + TOUCH_EVERY;
  while (!(await take(lock, holder))) {
    const other = await read(lock);
    if (other !== undefined && (isHere(other) || performance.now() > patience)) {
      if (!isDead(other)) return undefined;
    }
    await pause(LOOK_EVERY);
  }
  return hold(lock, holder);
}
