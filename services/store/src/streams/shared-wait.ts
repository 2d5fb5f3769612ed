/** Many who wait for the same thing, and one who looks out for it. */

interface Lookout<T> {
  readonly result: Promise<T | undefined>;
  readonly abort: AbortController;
  waiting: number;
}

export interface Patience {
  /** Milliseconds. */
  readonly within: number;
  /** Aborted when the waiting one has left. */
  readonly gone: AbortSignal;
}

export class SharedWait<T> {
  readonly #lookouts = new Map<string, Lookout<T>>();
  #closed = false;

  /**
   * @param key of what is waited for
   * @param look is called for the first one who waits, and its signal aborted when nobody waits any more; then it gives
   *   undefined, as it does where nothing will come
   * @returns what `look` gave; undefined after the time, or when the signal is aborted
   */
  async join(
    key: string,
    { within, gone }: Patience,
    look: (signal: AbortSignal) => Promise<T | undefined>,
  ): Promise<T | undefined> {
    if (gone.aborted || this.#closed) return undefined;
    const lookout = this.#lookouts.get(key) ?? this.#begin(key, look);
    lookout.waiting++;
    let leave = (): void => undefined;
    const left = new Promise<undefined>((resolve) => {
      leave = () => resolve(undefined);
    });
    const timer = setTimeout(leave, within);
    gone.addEventListener('abort', leave);
    try {
      return await Promise.race([lookout.result, left]);
    } finally {
      clearTimeout(timer);
      gone.removeEventListener('abort', leave);
      lookout.waiting--;
      if (lookout.waiting === 0) this.#end(key, lookout);
    }
  }

  #begin(key: string, look: (signal: AbortSignal) => Promise<T | undefined>): Lookout<T> {
    const abort = new AbortController();
    const lookout: Lookout<T> = { result: look(abort.signal), abort, waiting: 0 };
    this.#lookouts.set(key, lookout);
    return lookout;
  }

  #end(key: string, lookout: Lookout<T>): void {
    if (this.#lookouts.get(key) === lookout) this.#lookouts.delete(key);
    lookout.abort.abort();
  }

  /** All who wait get undefined, and so do those who come later. */
  close(): void {
    this.#closed = true;
    for (const [key, lookout] of this.#lookouts) this.#end(key, lookout);
  }
}
