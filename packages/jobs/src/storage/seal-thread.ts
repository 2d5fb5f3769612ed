import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { Gathering } from '@cl-server/runtime';

const PROGRAM = new URL('../../bin/seal-worker.js', import.meta.url);
const MOST_AT_ONCE = 50;

/** What went wrong with a folder, if anything did. */
type Fault = { readonly code?: string; readonly message: string } | null;

/** Waits, in a thread of its own, until folders are on the disk with all that is in them and leads to them. */
export class SealThread {
  readonly #gathering = new Gathering<string, Fault>((folders) => this.#ask(folders), MOST_AT_ONCE);
  #worker: Worker | undefined;

  /** @param root absolute; nothing above it is waited for */
  constructor(private readonly root: string) {}

  /** @throws Error with the code of the system call that failed */
  async seal(folder: string): Promise<void> {
    const fault = await this.#gathering.ask(folder);
    if (fault) throw Object.assign(new Error(fault.message), { code: fault.code });
  }

  async #ask(folders: readonly string[]): Promise<readonly Fault[]> {
    this.#worker ??= new Worker(PROGRAM, { workerData: { root: this.root } });
    const worker = this.#worker;
    worker.ref();
    try {
      const answered = once(worker, 'message');
      worker.postMessage(folders);
      const [faults] = (await answered) as [readonly Fault[]];
      return faults;
    } catch (error) {
      this.#worker = undefined; // it died; the next request starts another
      throw error;
    } finally {
      worker.unref(); // while it does nothing it keeps no process alive
    }
  }
}
