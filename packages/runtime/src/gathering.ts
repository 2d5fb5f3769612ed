import { setImmediate as immediate } from 'node:timers/promises';

interface Waiting<In, Out> {
  readonly input: In;
  readonly resolve: (output: Out) => void;
  readonly reject: (cause: unknown) => void;
}

/**
 * Work done together: what is asked for in one turn of the event loop goes into one call, and what is asked for while a
 * call is under way goes into the next.
 */
export class Gathering<In, Out> {
  readonly #waiting: Waiting<In, Out>[] = [];
  #busy = false;

  /**
   * @param work gives the outputs in the order of the inputs; where it throws, each input of the call fails so
   * @param most inputs of one call: the first waits for the last
   */
  constructor(
    private readonly work: (inputs: readonly In[]) => Promise<readonly Out[]>,
    private readonly most: number,
  ) {}

  ask(input: In): Promise<Out> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ input, resolve, reject });
      if (!this.#busy) void this.#drain();
    });
  }

  async #drain(): Promise<void> {
    this.#busy = true;
    await immediate();
    while (this.#waiting.length > 0) {
      const group = this.#waiting.splice(0, this.most);
      try {
        const outputs = await this.work(group.map(({ input }) => input));
        for (const [index, { resolve }] of group.entries()) resolve(outputs[index] as Out);
      } catch (error) {
        for (const { reject } of group) reject(error);
      }
    }
    this.#busy = false;
  }
}
