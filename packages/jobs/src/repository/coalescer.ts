interface Waiting<I, O> {
  readonly items: readonly I[];
  resolve(results: readonly O[]): void;
  reject(error: unknown): void;
}

/**
 * Group commit: what is asked for while a batch is being written goes into the next one together, so that a hundred
 * callers wait for one commit and not for a hundred. Alone, a caller does not wait at all.
 */
export class Coalescer<I, O> {
  readonly #write: (items: readonly I[]) => Promise<readonly O[]>;
  readonly #maxItems: number;
  #waiting: Waiting<I, O>[] = [];
  #running: Promise<void> | undefined;

  /**
   * @param write writes a batch; one result for each item, in order
   * @param maxItems above which callers are not put together; bounds the time of one transaction
   */
  constructor(write: (items: readonly I[]) => Promise<readonly O[]>, maxItems = 500) {
    this.#write = write;
    this.#maxItems = maxItems;
  }

  /** Results in the order of the items. @throws what the write of its batch threw */
  submit(items: readonly I[]): Promise<readonly O[]> {
    if (items.length === 0) return Promise.resolve([]);
    return new Promise((resolve, reject) => {
      this.#waiting.push({ items, resolve, reject });
      this.#running ??= this.#run();
    });
  }

  async #run(): Promise<void> {
    // One turn of the microtask queue: callers of the same tick come together.
    await undefined;
    while (this.#waiting.length > 0) await this.#flush(this.#nextBatch());
    this.#running = undefined;
  }

  #nextBatch(): Waiting<I, O>[] {
    let size = 0;
    let count = 0;
    for (const { items } of this.#waiting) {
      if (count > 0 && size + items.length > this.#maxItems) break;
      size += items.length;
      count += 1;
    }
    return this.#waiting.splice(0, count);
  }

  async #flush(batch: readonly Waiting<I, O>[]): Promise<void> {
    try {
      const results = await this.#write(batch.flatMap(({ items }) => items));
      let from = 0;
      for (const { items, resolve } of batch) {
        resolve(results.slice(from, from + items.length));
        from += items.length;
      }
    } catch (error) {
      if (batch.length === 1) return batch[0]?.reject(error);
      // Somebody's item is at fault: each caller gets their own outcome.
      for (const alone of batch) await this.#flush([alone]);
    }
  }
}
