/**
 * A lock file, so that two processes do not fetch the same model at once. It is a courtesy, not a safety: what lies at a
 * model's path was verified and renamed by whoever wrote it.
 */
import fsp from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';

const LOOK_EVERY = 200;
const TOUCH_EVERY = 5_000;
/** A holder that has not touched its lock for so long is gone: its machine ended, or shares only the folder with us. */
const STALE_AFTER = 30_000;

const alive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
};

async function isAbandoned(lock: string): Promise<boolean> {
  const stat = await fsp.stat(lock).catch(() => undefined);
  if (!stat) return false;
  const holder = Number(await fsp.readFile(lock, 'utf8').catch(() => ''));
  return (holder > 0 && !alive(holder)) || Date.now() - stat.mtimeMs > STALE_AFTER;
}

async function take(lock: string): Promise<boolean> {
  try {
    await fsp.writeFile(lock, String(process.pid), { flag: 'wx' });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
  if (await isAbandoned(lock)) await fsp.rm(lock, { force: true });
  return false;
}

export interface LockOptions {
  readonly signal?: AbortSignal | undefined;
  /** Called once, where another holds the lock. */
  readonly onWait?: (() => void) | undefined;
}

/** Waits for the lock, runs `work`, lets go. */
export async function withLock<T>(lock: string, { signal, onWait }: LockOptions, work: () => Promise<T>): Promise<T> {
  if (!(await take(lock))) {
    onWait?.();
    do await pause(LOOK_EVERY, undefined, signal ? { signal } : {});
    while (!(await take(lock)));
  }
  const touch = setInterval(() => {
    const now = new Date();
    void fsp.utimes(lock, now, now).catch(() => undefined);
  }, TOUCH_EVERY);
  touch.unref();
  try {
    return await work();
  } finally {
    clearInterval(touch);
    await fsp.rm(lock, { force: true });
  }
}
