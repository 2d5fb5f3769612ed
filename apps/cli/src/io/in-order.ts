/** Hands results on as they come, in the order of what they are results of: a program that reads them need not wait for all. */
export class InOrder<T> {
  readonly #print: (item: T) => Promise<void>;
  readonly #waiting = new Map<number, T | undefined>();
  #next = 0;
  #turn: Promise<void> = Promise.resolve();

  constructor(print: (item: T) => Promise<void>) {
    this.#print = print;
  }

  /** @param item undefined: there will be no result of this one */
  settle(index: number, item: T | undefined): Promise<void> {
    this.#waiting.set(index, item);
    this.#turn = this.#turn.then(() => this.#handOn());
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
