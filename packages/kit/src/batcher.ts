import { setImmediate as eventLoopTurn } from 'node:timers/promises';

interface Waiting<In, Out> {
  readonly items: readonly In[];
  resolve(outputs: readonly Out[]): void;
  reject(error: unknown): void;
}

export interface BatcherOptions {
  /** Items of one batch. A single caller with more items gets a batch of its own. */
  readonly maxItems: number;
  /**
   * How long the first caller waits for others: until the current task ends (`microtask`, the default) or for one turn
   * of the event loop (`turn`), in which requests that arrived together have all been read.
   */
  readonly collectFor?: 'microtask' | 'turn';
}

/**
 * Group commit: items that arrive while a batch is being processed go into the next one together, so that a hundred
 * callers wait for one write instead of a hundred.
 *
 * A batch that fails is processed again caller by caller, so that one bad item fails only its own caller. `work` must
 * therefore be harmless when it is repeated after a failure.
 */
export class Batcher<In, Out> {
  readonly #work: (items: readonly In[]) => Promise<readonly Out[]>;
  readonly #options: BatcherOptions;
  #waiting: Waiting<In, Out>[] = [];
  #isRunning = false;

  /** @param work processes a batch; one output for each item, in order */
  constructor(work: (items: readonly In[]) => Promise<readonly Out[]>, options: BatcherOptions) {
    this.#work = work;
    this.#options = options;
  }

  /** @returns the output for `item` @throws what `work` threw for it */
  async add(item: In): Promise<Out> {
    const [output] = await this.addAll([item]);
    return output as Out;
  }

  /** @returns outputs in the order of the items @throws what `work` threw for them */
  addAll(items: readonly In[]): Promise<readonly Out[]> {
    if (items.length === 0) return Promise.resolve([]);
    return new Promise((resolve, reject) => {
      this.#waiting.push({ items, resolve, reject });
      if (!this.#isRunning) void this.#run();
    });
  }

  async #run(): Promise<void> {
    this.#isRunning = true;
    await (this.#options.collectFor === 'turn' ? eventLoopTurn() : undefined);
    while (this.#waiting.length > 0) await this.#process(this.#nextBatch());
    this.#isRunning = false;
  }

  #nextBatch(): Waiting<In, Out>[] {
    let size = 0;
    let count = 0;
    for (const { items } of this.#waiting) {
      if (count > 0 && size + items.length > this.#options.maxItems) break;
      size += items.length;
      count += 1;
    }
    return this.#waiting.splice(0, count);
  }

  async #process(batch: readonly Waiting<In, Out>[]): Promise<void> {
    try {
      const outputs = await this.#work(batch.flatMap(({ items }) => items));
      let from = 0;
      for (const { items, resolve } of batch) {
        resolve(outputs.slice(from, from + items.length));
        from += items.length;
      }
    } catch (error) {
      if (batch.length === 1) return batch[0]?.reject(error);
      for (const alone of batch) await this.#process([alone]);
    }
  }
}
