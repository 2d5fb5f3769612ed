/** One loaded model in its own thread; `bin/session-worker.js` is the other side. */
import { Worker } from 'node:worker_threads';

export interface Feed {
  readonly type: 'float32' | 'int64' | 'int32';
  /** Transferred to the thread: the caller must not use it again. */
  readonly data: Float32Array | BigInt64Array | Int32Array;
  readonly dims: readonly number[];
}
export type Feeds = Readonly<Record<string, Feed>>;
export type FloatTensors = Readonly<Record<string, { readonly data: Float32Array; readonly dims: readonly number[] }>>;

export interface TensorNames {
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
}

/** Options of the runtime for a session, under the runtime's own names. */
export interface RuntimeOptions {
  readonly executionProviders: readonly string[];
  readonly intraOpNumThreads: number;
  readonly interOpNumThreads: number;
  readonly graphOptimizationLevel: 'all';
  readonly logSeverityLevel: 3;
  readonly extra: object;
}

type Answer =
  | ({ readonly type: 'loaded' } & TensorNames)
  | { readonly type: 'refused'; readonly message: string }
  | { readonly type: 'result'; readonly id: number; readonly results: FloatTensors }
  | { readonly type: 'failed'; readonly id: number; readonly message: string };

interface Pending {
  readonly resolve: (results: FloatTensors) => void;
  readonly reject: (error: Error) => void;
}

export class SessionThread {
  /** Names of the model's tensors. Rejects if the file cannot be loaded. */
  readonly names: Promise<TensorNames>;
  readonly #worker: Worker;
  readonly #gone: Promise<void>;
  readonly #pending = new Map<number, Pending>();
  #next = 0;

  constructor(file: string, options: RuntimeOptions) {
    this.#worker = new Worker(new URL('../bin/session-worker.js', import.meta.url), { workerData: { file, options } });
    this.#gone = new Promise((resolve) => this.#worker.once('exit', () => resolve()));
    this.names = new Promise((resolve, reject) => {
      this.#worker.on('message', (answer: Answer) => {
        if (answer.type === 'loaded') resolve(answer);
        else if (answer.type === 'refused') reject(new Error(answer.message));
        else this.#deliver(answer);
        if (this.#pending.size === 0) this.#worker.unref(); // an idle model keeps no process alive
      });
      this.#worker.once('error', (error: Error) => {
        reject(error);
        this.#failAll(error);
      });
      this.#worker.once('exit', () => {
        const error = new Error('the thread of the model ended');
        reject(error);
        this.#failAll(error);
      });
    });
    this.names.catch(() => undefined);
  }

  /** @param outputs the requested outputs; all if undefined */
  run(feeds: Feeds, outputs: readonly string[] | undefined): Promise<FloatTensors> {
    return new Promise((resolve, reject) => {
      const id = this.#next++;
      this.#pending.set(id, { resolve, reject });
      this.#worker.ref();
      const buffers = Object.values(feeds).map(({ data }) => data.buffer as ArrayBuffer);
      this.#worker.postMessage({ type: 'run', id, feeds, outputs }, buffers);
    });
  }

  /** Frees the model's memory after the runs in progress. */
  async close(): Promise<void> {
    this.#worker.ref();
    this.#worker.postMessage({ type: 'close' });
    await this.#gone;
  }

  #deliver(answer: Extract<Answer, { id: number }>): void {
    const pending = this.#pending.get(answer.id);
    this.#pending.delete(answer.id);
    if (answer.type === 'result') pending?.resolve(answer.results);
    else pending?.reject(new Error(answer.message));
  }

  #failAll(error: Error): void {
    for (const { reject } of this.#pending.values()) reject(error);
    this.#pending.clear();
  }
}
