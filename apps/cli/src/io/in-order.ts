/** Passes results on as they arrive, in the order of their inputs, so that a reader need not wait for all of them. */
export class InOrder<T> {
  readonly #print: (item: T) => Promise<void>;
  readonly #waiting = new Map<number, T | undefined>();
  #next = 0;
  #turn: Promise<void> = Promise.resolve();

  constructor(print: (item: T) => Promise<void>) {
    this.#print = print;
  }

  /** @param item undefined if this input has no result */
  set(index: number, item: T | undefined): Promise<void> {
    this.#waiting.set(index, item);
    this.#turn = this.#turn.then(() => this.#handOn());
    return this.#turn;
  }

  /** Prints what still waits for an earlier input, because no more results will come. */
  flush(): Promise<void> {
    this.#turn = this.#turn.then(async () => {
      const left = [...this.#waiting].sort(([a], [b]) => a - b);
      this.#waiting.clear();
      for (const [, item] of left) if (item !== undefined) await this.#print(item);
    });
    return this.#turn;
  }

  async #handOn(): Promise<void> {
    while (this.#waiting.has(this.#next)) {
      const item = this.#waiting.get(this.#next);
      this.#waiting.delete(this.#next);
      this.#next += 1;
      if (item !== undefined) await this.#print(item);
    }
  }
}
