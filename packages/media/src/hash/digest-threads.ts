/** Digests a large file on several threads. */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';

/** Hex digests that are computed together in one pass over the file. */
export interface Digests {
  /** Bytes. */
  readonly size: number;
  readonly md5: string;
  readonly sha256: string;
  readonly sha512: string;
}

/** Fills a buffer with the file's bytes from an offset on; returns their number, 0 at the end. */
export type ReadBlocks = (buffer: Uint8Array, at: number) => Promise<number>;

const BLOCK_SIZE = 4 * 1024 * 1024;
/** One block is read while the previous one is digested. */
const BUFFERS = 2;

/** One thread, and the completion of the last block that it received. */
class DigestThread {
  private last: Promise<unknown> = Promise.resolve();
  private readonly worker: Worker;
  constructor(algorithms: readonly string[]) {
    this.worker = new Worker(new URL('../../bin/digest-worker.js', import.meta.url), { workerData: { algorithms } });
  }

  /** @returns when the block may be overwritten */
  give(buffer: SharedArrayBuffer, length: number): Promise<unknown> {
    this.last = this.last.then(() => {
      const answered = once(this.worker, 'message');
      this.worker.postMessage({ buffer, length });
      return answered;
    });
    // Callers that await the block receive its error; until then it must not count as unhandled.
    this.last.catch(() => undefined);
    return this.last;
  }

  async finish(): Promise<Record<string, string>> {
    await this.last;
    const answered = once(this.worker, 'message');
    this.worker.postMessage(null);
    const [digests] = (await answered) as [Record<string, string>];
    return digests;
  }

  end(): Promise<number> {
    return this.worker.terminate();
  }
}

/**
 * Digests a file in one pass on several threads, which share the blocks.
 * @param groups algorithms of each thread; together all of `Digests`
 */
export async function digestInThreads(read: ReadBlocks, groups: readonly (readonly string[])[]): Promise<Digests> {
  const threads = groups.map((algorithms) => new DigestThread(algorithms));
  const buffers = Array.from({ length: BUFFERS }, () => new SharedArrayBuffer(BLOCK_SIZE));
  const free: Promise<unknown>[] = buffers.map(() => Promise.resolve());
  try {
    let size = 0;
    for (let turn = 0; ; turn = (turn + 1) % BUFFERS) {
      await free[turn];
      const buffer = buffers[turn] ?? new SharedArrayBuffer(BLOCK_SIZE);
      const length = await read(new Uint8Array(buffer), size);
      if (length === 0) break;
      size += length;
      free[turn] = Promise.all(threads.map((thread) => thread.give(buffer, length)));
    }
    const made = Object.assign({}, ...(await Promise.all(threads.map((thread) => thread.finish()))));
    return { size, ...(made as Omit<Digests, 'size'>) };
  } finally {
    await Promise.all(threads.map((thread) => thread.end()));
  }
}
