/** ONNX sessions: loaded once, shared, and unloaded after idle time when memory is short. */
import os from 'node:os';
import { type Feed, type Feeds, type FloatTensors, SessionThread, type TensorNames } from './session-thread.js';

export type { Feeds, FloatTensors } from './session-thread.js';

export const EXECUTION_PROVIDERS = ['cpu', 'cuda', 'coreml', 'directml'] as const;
export type ExecutionProvider = (typeof EXECUTION_PROVIDERS)[number];

const ORT_NAME: Readonly<Record<ExecutionProvider, string>> = {
  cpu: 'cpu',
  cuda: 'cuda',
  coreml: 'coreml',
  directml: 'dml',
};

export interface SessionOptions {
  readonly provider: ExecutionProvider;
  readonly threads: number;
  /** Milliseconds without use after which the model may be unloaded. Default 5 minutes. */
  readonly idle?: number;
  /** Whether memory is short now; by default, if less than a tenth of it is free. */
  readonly memoryShort?: () => boolean;
}

/** The file cannot be loaded, or not with the requested provider. */
export class ModelNotLoaded extends Error {
  override readonly name = 'ModelNotLoaded';
}

/** Memory of the machine, or of the container if that has less. */
const memoryShort = (): boolean =>
  process.availableMemory() < Math.min(os.totalmem(), process.constrainedMemory() || Number.POSITIVE_INFINITY) / 10;

/**
 * One model file. `run` may be called at any time and any number of times; the model's own thread computes one result
 * after the other.
 */
export class ModelSession {
  readonly #file: () => Promise<string>;
  readonly #options: SessionOptions;
  #thread: Promise<SessionThread> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #running = 0;

  /** @param file path of the file, or a function that finds and verifies it before each loading */
  constructor(file: string | (() => Promise<string>), options: SessionOptions) {
    this.#file = typeof file === 'string' ? () => Promise.resolve(file) : file;
    this.#options = options;
  }

  get provider(): ExecutionProvider {
    return this.#options.provider;
  }

  /** Whether the model is in memory. */
  get loaded(): boolean {
    return this.#thread !== undefined;
  }

  /** Names of inputs and outputs; loads the model. @throws ModelNotLoaded */
  async names(): Promise<TensorNames> {
    return (await this.#ready()).names;
  }

  #ready(): Promise<SessionThread> {
    if (this.#thread) return this.#thread;
    const loading = this.#load();
    this.#thread = loading;
    loading.catch(() => {
      if (this.#thread === loading) this.#thread = undefined;
    });
    return loading;
  }

  async #load(): Promise<SessionThread> {
    const { provider, threads } = this.#options;
    const thread = new SessionThread(await this.#file(), {
      executionProviders: [ORT_NAME[provider]],
      intraOpNumThreads: threads,
      interOpNumThreads: 1,
      graphOptimizationLevel: 'all',
      logSeverityLevel: 3,
      // Threads that wait actively would take the cores from decoders and from other models.
      extra: { session: { intra_op: { allow_spinning: '0' } } },
    });
    try {
      await thread.names;
      return thread;
    } catch (error) {
      const advice = provider === 'cpu' ? '' : ` on ${provider}: install what it needs, or set EXECUTION_PROVIDER=cpu`;
      throw new ModelNotLoaded(`the model cannot be loaded${advice} (${(error as Error).message})`, { cause: error });
    }
  }

  /**
   * Runs the model once. The feeds are transferred.
   * @param outputs the requested outputs, all float32; every output if undefined
   * @throws ModelNotLoaded
   */
  async run(feeds: Feeds, outputs?: readonly string[]): Promise<FloatTensors> {
    clearTimeout(this.#timer);
    this.#running++;
    try {
      return await (await this.#ready()).run(feeds, outputs);
    } finally {
      this.#running--;
      this.#unloadWhenIdle();
    }
  }

  #unloadWhenIdle(): void {
    const { idle = 300_000, memoryShort: short = memoryShort } = this.#options;
    clearTimeout(this.#timer);
    if (this.#thread === undefined) return;
    this.#timer = setTimeout(() => {
      if (this.#running > 0) return;
      if (short()) void this.release();
      else this.#unloadWhenIdle();
    }, idle);
    this.#timer.unref();
  }

  /** Unloads the model after the runs in progress; the next `run` loads it again. */
  async release(): Promise<void> {
    clearTimeout(this.#timer);
    const loading = this.#thread;
    this.#thread = undefined;
    await loading?.then((thread) => thread.close()).catch(() => undefined);
  }
}

export const floatTensor = (data: Float32Array, dims: readonly number[]): Feed => ({ type: 'float32', data, dims });

export const intTensor = (ids: readonly number[], dims: readonly number[], type: 'int64' | 'int32'): Feed =>
  type === 'int64' ? { type, data: BigInt64Array.from(ids, BigInt), dims } : { type, data: Int32Array.from(ids), dims };
