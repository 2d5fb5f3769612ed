import { TimeoutError } from '../errors.js';

/**
 * An `AbortSignal` that fires when the caller's own does, or when nothing was touched for `idleMs`. A large transfer
 * thus may last as long as it likes, as long as it moves.
 */
export class Deadline {
  readonly #controller = new AbortController();
  readonly #idleMs: number;
  readonly #outer: AbortSignal | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  readonly #abort = (): void => this.#controller.abort(this.#outer?.reason);

  /** @param idleMs 0 or Infinity: no limit */
  constructor(idleMs: number, outer?: AbortSignal) {
    this.#idleMs = idleMs;
    this.#outer = outer;
    if (outer?.aborted) this.#abort();
    else outer?.addEventListener('abort', this.#abort, { once: true });
    this.touch();
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Restarts the time, because bytes were transferred. */
  touch(): void {
    clearTimeout(this.#timer);
    if (this.#controller.signal.aborted || this.#idleMs <= 0 || !Number.isFinite(this.#idleMs)) return;
    this.#timer = setTimeout(
      () => this.#controller.abort(new TimeoutError(`Nothing heard from the server for ${this.#idleMs} ms`)),
      this.#idleMs,
    );
  }

  /** Ends the watch; call it in `finally`. */
  close(): void {
    clearTimeout(this.#timer);
    this.#outer?.removeEventListener('abort', this.#abort);
  }
}

/** Waits, unless the signal fires first; then its reason is thrown. */
export function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const stop = (): void => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', stop);
      resolve();
    }, ms);
    signal?.addEventListener('abort', stop, { once: true });
  });
}
