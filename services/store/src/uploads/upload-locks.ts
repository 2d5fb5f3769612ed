/**
 * Gives each upload to one request at a time. A newer request asks the one that holds the upload to stop (a client that
 * lost its connection comes back while the server still waits for the old one) and waits its turn.
 */
import { ERRORS, type Lock, type Locker, type RequestRelease } from '@tus/server';

/** How long a request waits for its turn, milliseconds. */
const PATIENCE = 30_000;

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
    const patience = AbortSignal.any([signal, AbortSignal.timeout(PATIENCE)]);
    const gaveUp = new Promise<void>((resolve) => {
      patience.addEventListener('abort', () => resolve(), { once: true });
    });
    for (let holder = this.#holders.get(id); holder; holder = this.#holders.get(id)) {
      if (patience.aborted) throw ERRORS.ERR_LOCK_TIMEOUT;
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
