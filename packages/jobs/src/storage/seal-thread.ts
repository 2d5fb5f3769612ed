import { Worker } from 'node:worker_threads';

const PROGRAM = new URL('../../bin/seal-worker.js', import.meta.url);

/** Limits of the results of one attempt. */
export interface SealLimits {
  /** Files and folders. */
  readonly maxFiles: number;
  readonly maxBytes: number;
}

interface Waiting {
  resolve(bytes: number): void;
  reject(error: Error): void;
}

/** The number of bytes in a folder, or what is wrong with it. */
type Answer = { readonly id: number } & (
  | { readonly bytes: number }
  | { readonly code?: string; readonly message: string }
);

/** Waits, in a thread of its own, until folders are on the disk with their content and the folders above them. */
export class SealThread {
  readonly #waiting = new Map<number, Waiting>();
  #nextId = 0;
  #thread: Worker | undefined;

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
  seal(folder: string): Promise<number> {
    this.#thread ??= this.#start();
    const thread = this.#thread;
    const id = this.#nextId++;
    thread.ref();
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      thread.postMessage({ id, folder });
    });
  }

  #start(): Worker {
    const thread = new Worker(PROGRAM, { workerData: { root: this.root, ...this.limits } });
    thread.on('message', (answer: Answer) => {
      const waiting = this.#waiting.get(answer.id);
      this.#waiting.delete(answer.id);
      if (this.#waiting.size === 0) thread.unref(); // while it does nothing it keeps no process alive
      if ('bytes' in answer) waiting?.resolve(answer.bytes);
      else waiting?.reject(Object.assign(new Error(answer.message), { code: answer.code }));
    });
    const failed = (error: Error): void => {
      if (this.#thread === thread) this.#thread = undefined; // the next folder starts another
      const waiting = [...this.#waiting.values()];
      this.#waiting.clear();
      for (const { reject } of waiting) reject(error);
    };
    thread.on('error', failed);
    thread.on('exit', () => failed(new Error('the thread that seals results ended')));
    return thread;
  }
}
