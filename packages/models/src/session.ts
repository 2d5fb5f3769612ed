/** ONNX sessions: loaded once, shared, let go after idle time when memory is short. */
import os from 'node:os';
import * as ort from 'onnxruntime-node';

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
  /** Milliseconds without use after which the model may be unloaded. */
  readonly idle?: number;
  /** Whether memory is short now; by default less than a tenth of it is free. */
  readonly memoryShort?: () => boolean;
}

export type FloatTensors = Readonly<Record<string, { readonly data: Float32Array; readonly dims: readonly number[] }>>;
export type Feeds = Readonly<Record<string, ort.Tensor>>;

const memoryShort = (): boolean => os.freemem() < os.totalmem() / 10;

/**
 * One model file. `run` may be called at any time and as often as wanted; inference happens off the JavaScript thread.
 */
export class ModelSession {
  readonly #file: string;
  readonly #options: SessionOptions;
  #loading: Promise<ort.InferenceSession> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #running = 0;

  constructor(file: string, options: SessionOptions) {
    this.#file = file;
    this.#options = options;
  }

  get provider(): ExecutionProvider {
    return this.#options.provider;
  }

  /** Names of inputs and outputs; loads the model. */
  async names(): Promise<{ inputs: readonly string[]; outputs: readonly string[] }> {
    const { inputNames, outputNames } = await this.#session();
    return { inputs: inputNames, outputs: outputNames };
  }

  #session(): Promise<ort.InferenceSession> {
    this.#loading ??= ort.InferenceSession.create(this.#file, {
      executionProviders: [ORT_NAME[this.#options.provider]],
      intraOpNumThreads: this.#options.threads,
      interOpNumThreads: 1,
      graphOptimizationLevel: 'all',
      logSeverityLevel: 3,
    });
    this.#loading.catch(() => {
      this.#loading = undefined;
    });
    return this.#loading;
  }

  /** One inference. Outputs must be float32. */
  async run(feeds: Feeds, outputs?: readonly string[]): Promise<FloatTensors> {
    clearTimeout(this.#timer);
    this.#running++;
    try {
      const session = await this.#session();
      const results = await session.run(feeds, outputs ? [...outputs] : session.outputNames);
      return Object.fromEntries(
        Object.entries(results).map(([name, tensor]) => {
          if (!(tensor instanceof ort.Tensor) || !(tensor.data instanceof Float32Array))
            throw new Error(`output ${name} is not float32`);
          return [name, { data: tensor.data, dims: tensor.dims }];
        }),
      );
    } finally {
      this.#running--;
      this.#rest();
    }
  }

  #rest(): void {
    const { idle = 300_000, memoryShort: short = memoryShort } = this.#options;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      if (this.#running > 0) return;
      if (short()) void this.release();
      else this.#rest();
    }, idle);
    this.#timer.unref();
  }

  /** Unloads the model; the next `run` loads it again. */
  async release(): Promise<void> {
    clearTimeout(this.#timer);
    const loading = this.#loading;
    this.#loading = undefined;
    await loading?.then((session) => session.release()).catch(() => undefined);
  }
}

export const floatTensor = (data: Float32Array, dims: readonly number[]): ort.Tensor =>
  new ort.Tensor('float32', data, dims);

export const intTensor = (ids: readonly number[], dims: readonly number[], type: 'int64' | 'int32'): ort.Tensor =>
  type === 'int64'
    ? new ort.Tensor('int64', BigInt64Array.from(ids, BigInt), dims)
    : new ort.Tensor('int32', Int32Array.from(ids), dims);
