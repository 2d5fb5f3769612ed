interface Waiting<In, Out> {
  readonly input: In;
  readonly resolve: (output: Out) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Calls made together: whatever is asked for while one call is under way goes into the next, so that nothing waits for
 * company and many at once share the cost of a call.
 */
export class Gathering<In, Out> {
  readonly #waiting: Waiting<In, Out>[] = [];
  #running = false;

  /**
   * @param work outputs in the order of the inputs; where it throws, every input of the call fails alike
   * @param most inputs of one call
   */
  constructor(
    private readonly work: (inputs: readonly In[]) => Promise<readonly Out[]>,
    private readonly most: number,
  ) {}

  ask(input: In): Promise<Out> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ input, resolve, reject });
      if (!this.#running) void this.#drain();
    });
  }

  async #drain(): Promise<void> {
    this.#running = true;
    // Those who ask in the same turn of the event loop go together from the first call on.
    await new Promise((resolve) => setImmediate(resolve));
    while (this.#waiting.length > 0) {
      const group = this.#waiting.splice(0, this.most);
      try {
        const outputs = await this.work(group.map(({ input }) => input));
        for (const [i, { resolve }] of group.entries()) resolve(outputs[i] as Out);
      } catch (error) {
        for (const { reject } of group) reject(error);
      }
    }
    this.#running = false;
  }
}
