import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { Batcher } from '@cl-server/kit';

const PROGRAM = new URL('../../bin/seal-worker.js', import.meta.url);
const MAX_BATCH_SIZE = 50;

/** What the results of one attempt may be. */
export interface SealLimits {
  /** Files and folders. */
  readonly maxFiles: number;
  readonly maxBytes: number;
}

type Fault = { readonly code?: string; readonly message: string };
/** What became of a folder: how many bytes are in it, or what is wrong with it. */
type Answer = number | Fault;

/** Waits, in a thread of its own, until folders are on the disk with all that is in them and leads to them. */
export class SealThread {
  readonly #batcher = new Batcher<string, Answer>((folders) => this.#ask(folders), {
    maxItems: MAX_BATCH_SIZE,
    collectFor: 'turn',
  });
  #worker: Worker | undefined;

  /**
   * @param root absolute; nothing above it is waited for
   * @param limits of one folder
   */
  constructor(
    private readonly root: string,
    private readonly limits: SealLimits,
  ) {}

  /**
   * @returns bytes of the files
   * @throws Error with the code of the system call that failed, or `RESULT_REFUSED` for what is no result
   */
  async seal(folder: string): Promise<number> {
    const answer = await this.#batcher.add(folder);
    if (typeof answer === 'number') return answer;
    throw Object.assign(new Error(answer.message), { code: answer.code });
  }

  async #ask(folders: readonly string[]): Promise<readonly Answer[]> {
    this.#worker ??= new Worker(PROGRAM, { workerData: { root: this.root, ...this.limits } });
    const worker = this.#worker;
    worker.ref();
    try {
      const answered = once(worker, 'message');
      worker.postMessage(folders);
      const [answers] = (await answered) as [readonly Answer[]];
      return answers;
    } catch (error) {
      this.#worker = undefined; // it died; the next request starts another
      throw error;
    } finally {
      worker.unref(); // while it does nothing it keeps no process alive
    }
  }
}
