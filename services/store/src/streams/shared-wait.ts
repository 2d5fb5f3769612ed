/** Lets many callers wait for the same result, for which one of them watches. */

interface Watch<T> {
  readonly result: Promise<T | undefined>;
  readonly abort: AbortController;
  waiting: number;
}

export interface WaitLimits {
  /** The longest wait in milliseconds. */
  readonly within: number;
  /** Aborted when the waiting client has disconnected. */
  readonly gone: AbortSignal;
}

export class SharedWait<T> {
  readonly #watches = new Map<string, Watch<T>>();
  #closed = false;

  /**
   * @param key identifies the result
   * @param watch called for the first caller that waits. Its signal is aborted when nobody waits any more; it resolves to
   *   undefined then, and also if there will be no result
   * @returns the result of `watch`; undefined when the time is over or `gone` is aborted
   */
  async join(
    key: string,
    { within, gone }: WaitLimits,
    watch: (signal: AbortSignal) => Promise<T | undefined>,
  ): Promise<T | undefined> {
    if (gone.aborted || this.#closed) return undefined;
    const watched = this.#watches.get(key) ?? this.#begin(key, watch);
    watched.waiting++;
    let leave = (): void => undefined;
    const left = new Promise<undefined>((resolve) => {
      leave = () => resolve(undefined);
    });
    const timer = setTimeout(leave, within);
    gone.addEventListener('abort', leave);
    try {
      return await Promise.race([watched.result, left]);
    } finally {
      clearTimeout(timer);
      gone.removeEventListener('abort', leave);
      watched.waiting--;
      if (watched.waiting === 0) this.#end(key, watched);
    }
  }

  #begin(key: string, watch: (signal: AbortSignal) => Promise<T | undefined>): Watch<T> {
    const abort = new AbortController();
    const watched: Watch<T> = { result: watch(abort.signal), abort, waiting: 0 };
    this.#watches.set(key, watched);
    return watched;
  }

  #end(key: string, watched: Watch<T>): void {
    if (this.#watches.get(key) === watched) this.#watches.delete(key);
    watched.abort.abort();
  }

  /** All waiting and later callers get undefined. */
  close(): void {
    this.#closed = true;
    for (const [key, watched] of this.#watches) this.#end(key, watched);
  }
}
