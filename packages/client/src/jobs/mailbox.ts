/** Letters in order; one reader waits for the next, or for a time. */
export class Mailbox<T> {
  readonly #letters: T[] = [];
  #wake: (() => void) | undefined;

  put(letter: T): void {
    this.#letters.push(letter);
    this.#wake?.();
  }

  /**
   * @returns the next letter, or undefined when none came within `ms`
   * @throws the signal's reason
   */
  async take(ms: number, signal?: AbortSignal): Promise<T | undefined> {
    signal?.throwIfAborted();
    if (this.#letters.length === 0)
      await new Promise<void>((resolve) => {
        const done = (): void => {
          clearTimeout(timer);
          signal?.removeEventListener('abort', done);
          this.#wake = undefined;
          resolve();
        };
        const timer = setTimeout(done, ms);
        this.#wake = done;
        signal?.addEventListener('abort', done, { once: true });
      });
    signal?.throwIfAborted();
    return this.#letters.shift();
  }
}
