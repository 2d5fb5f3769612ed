/**
 * Locks each upload for one request at a time. A newer request asks the holder of the lock to stop, and waits for the lock: a
 * client that lost its connection may return while the server still waits for the old one.
 */
import { ERRORS, type Lock, type Locker, type RequestRelease } from '@tus/server';

/** Milliseconds for which a request waits for the lock. */
const MAX_WAIT_MS = 30_000;

interface Holder {
  readonly release: RequestRelease;
  readonly released: Promise<void>;
  readonly markReleased: () => void;
}

export class UploadLocks implements Locker {
  readonly #holders = new Map<string, Holder>();

  newLock(id: string): Lock {
    return {
      lock: (signal, release) => this.#acquire(id, signal, release),
      unlock: async () => this.#release(id),
    };
  }

  async #acquire(id: string, signal: AbortSignal, release: RequestRelease): Promise<void> {
    const waitSignal = AbortSignal.any([signal, AbortSignal.timeout(MAX_WAIT_MS)]);
    const gaveUp = new Promise<void>((resolve) => {
      waitSignal.addEventListener('abort', () => resolve(), { once: true });
    });
    for (let holder = this.#holders.get(id); holder; holder = this.#holders.get(id)) {
      if (waitSignal.aborted) throw ERRORS.ERR_LOCK_TIMEOUT;
      await holder.release();
      await Promise.race([holder.released, gaveUp]);
    }
    let markReleased = (): void => {};
    const released = new Promise<void>((resolve) => {
      markReleased = resolve;
    });
    this.#holders.set(id, { release, released, markReleased });
  }

  #release(id: string): void {
    const holder = this.#holders.get(id);
    this.#holders.delete(id);
    holder?.markReleased();
  }
}
