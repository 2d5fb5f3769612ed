import { Worker } from 'node:worker_threads';
import type { FolderLimits } from '../blob-store.js';

const PROGRAM = new URL('../../bin/seal-worker.js', import.meta.url);

interface SealRequest {
  /** Absolute. */
  readonly folder: string;
  /** Absolute, below the root. */
  readonly target: string;
  readonly limits: FolderLimits;
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

/** Moves finished folders to their places in a thread, and waits there until they are on the disk. */
export class SealThread {
  readonly #waiting = new Map<number, Waiting>();
  #nextId = 0;
  #thread: Worker | undefined;

  /**
   * @param root absolute; the folders above it stay as they are
   * @param refusesLinks whether a link in the root must not lead elsewhere
   */
  constructor(
    private readonly root: string,
    private readonly refusesLinks: boolean,
  ) {}

  /**
   * @returns bytes of the files
   * @throws Error with the code of the system call that failed, or `REFUSED` for a folder that is not kept
   */
  seal(request: SealRequest): Promise<number> {
    this.#thread ??= this.#start();
    const thread = this.#thread;
    const id = this.#nextId++;
    thread.ref();
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      thread.postMessage({ id, ...request });
    });
  }

  #start(): Worker {
    const thread = new Worker(PROGRAM, { workerData: { root: this.root, refusesLinks: this.refusesLinks } });
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
    thread.on('exit', () => failed(new Error('the thread that seals folders ended')));
    return thread;
  }
}
