import { once } from 'node:events';
import { setImmediate as immediate } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';

const PROGRAM = new URL('../../bin/seal-worker.js', import.meta.url);
/** Folders of one request; the first of them waits for the last. */
const MOST_AT_ONCE = 50;

/** For each folder of a request what went wrong, if anything did. */
type Answer = readonly ({ readonly code?: string; readonly message: string } | null)[];

interface Waiting {
  readonly folder: string;
  readonly resolve: () => void;
  readonly reject: (cause: unknown) => void;
}

/**
 * Waits, in a thread of its own, until folders are on the disk with all that is in them and leads to them. Those that are
 * asked for while it waits go together into the next request, and are done in the same moment.
 */
export class SealThread {
  readonly #waiting: Waiting[] = [];
  #worker: Worker | undefined;
  #busy = false;

  /** @param root absolute; nothing above it is waited for */
  constructor(private readonly root: string) {}

  /** @throws Error with the code of the system call that failed */
  seal(folder: string): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ folder, resolve, reject });
      if (!this.#busy) void this.#drain();
    });
  }

  async #drain(): Promise<void> {
    this.#busy = true;
    await immediate();
    while (this.#waiting.length > 0) {
      const group = this.#waiting.splice(0, MOST_AT_ONCE);
      try {
        const answer = await this.#ask(group.map(({ folder }) => folder));
        for (const [index, { resolve, reject }] of group.entries()) {
          const fault = answer[index];
          if (fault) reject(Object.assign(new Error(fault.message), { code: fault.code }));
          else resolve();
        }
      } catch (error) {
        this.#worker = undefined; // it died; the next request starts another
        for (const { reject } of group) reject(error);
      }
    }
    this.#busy = false;
  }

  async #ask(folders: readonly string[]): Promise<Answer> {
    this.#worker ??= new Worker(PROGRAM, { workerData: { root: this.root } });
    this.#worker.ref();
    const answered = once(this.#worker, 'message');
    this.#worker.postMessage(folders);
    const [answer] = (await answered) as [Answer];
    this.#worker.unref(); // while it does nothing it keeps no process alive
    return answer;
  }
}
