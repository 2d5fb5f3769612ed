/** The definition of a task. */
import { type FileRule, RESERVED_TASK_NAMES } from '@cl-server/contract';
import type { z } from 'zod';
import type { TaskContext, TaskEnvironment } from './context.js';

/** The uploaded file as the service stored it. */
export interface InputFile {
  /** `input/<sanitized name>`. */
  readonly path: string;
  /** The sanitized name. */
  readonly name: string;
  readonly size: number;
}

/** The data that `prepare` gets when a job is created, in the process of the service. */
export interface PrepareContext {
  readonly input: InputFile | undefined;
  readonly mediaDir: string;
  readonly streamsDir: string;
}

/** The part of a task that does the work; only the child processes of a worker load it. */
export interface TaskModule<Params = never, Output = unknown> {
  /** Called once per process, before the first job. @throws TaskUnavailable if the task cannot run */
  setup?(env: TaskEnvironment): Promise<void>;
  run(context: TaskContext<Params>): Promise<Output>;
  /**
   * Runs several jobs of this task at once. The results are in the same order, and each job succeeds or fails by
   * itself.
   */
  runBatch?(contexts: readonly TaskContext<Params>[]): Promise<readonly PromiseSettledResult<Output>[]>;
  /** Called before the process ends, to close child processes and handles. */
  teardown?(): Promise<void>;
}

export interface TaskDefinition<P extends z.ZodObject = z.ZodObject, O extends z.ZodObject = z.ZodObject> {
  /** Name in URLs and in `task_type`: lower-case letters, digits and `_`. */
  readonly type: string;
  readonly version: string;
  readonly summary: string;
  /** Form fields (see `field` of the contract); `run` gets their parsed values. */
  readonly params: P;
  /** Schema of the result, which is checked before the result is committed. */
  readonly output: O;
  /** Whether the task needs a file. Default: required. */
  readonly file?: FileRule;
  /**
   * Path of the main result file, relative to the job. Without it, the path is `output/<type>.json`, and the platform
   * writes the returned value there unless `run` has written the file. With it, a job without this file fails.
   */
  readonly outputPath?: string | ((params: z.output<P>, input: InputFile | undefined) => string);
  /** A job may end without its main result file. Default: false. */
  readonly outputOptional?: boolean;
  /**
   * Checks what a schema cannot check (fields against each other, paths against folders). It may return params that
   * replace the given ones before they are stored; keys that it does not return stay.
   * @throws TaskRefusal
   */
  readonly prepare?: (
    params: z.output<P>,
    context: PrepareContext,
  ) => Promise<Readonly<Record<string, unknown>> | undefined> | Readonly<Record<string, unknown>> | undefined;
  readonly requirements?: {
    /** Programs that `run` starts: found on the PATH, or named by `<NAME>_PATH`. Their paths are in `env.tools`. */
    readonly tools?: readonly string[];
    /** Ids in the model store, for the list of missing models. */
    readonly models?: readonly string[];
  };
  /** Seconds after which a running job is terminated. Default 600. */
  readonly timeout?: number;
  /** Maximum number of concurrent jobs in one worker; default: the worker's concurrency. */
  readonly concurrency?: number;
  /** Maximum number of jobs in one call of `runBatch`; default 1, which only uses `run`. */
  readonly batch?: number;
  /**
   * Tasks with the same word share one child process, for example because they share a large model session or a tool
   * that is started once. Default: the general processes.
   */
  readonly process?: string;
  readonly load: () => Promise<TaskModule<z.output<P>, z.input<O>>>;
}

/** A definition with any schemas, for registries. */
// biome-ignore lint/suspicious/noExplicitAny: "some task": the schemas are invariant in their type parameters
export type AnyTask = TaskDefinition<any, any>;

/** Seconds after which a job is terminated if its task sets no limit. */
export const DEFAULT_TIMEOUT = 600;

const NAME = /^[a-z][a-z0-9_]{0,63}$/;
/** The name of a program without a folder. */
const PROGRAM = /^[\w.+-]{1,64}$/;

const KEYS: Readonly<Record<keyof TaskDefinition, true>> = {
  type: true,
  version: true,
  summary: true,
  params: true,
  output: true,
  file: true,
  outputPath: true,
  outputOptional: true,
  prepare: true,
  requirements: true,
  timeout: true,
  concurrency: true,
  batch: true,
  process: true,
  load: true,
};

/** A misspelt key would have no effect, and nobody would learn why. */
function refuseUnknownKeys({ type, requirements = {}, ...rest }: TaskDefinition): void {
  const unknown = Object.keys(rest).find((key) => !Object.hasOwn(KEYS, key));
  if (unknown !== undefined)
    throw new Error(
      `task ${type}: the definition has no key "${unknown}"; its keys are ${Object.keys(KEYS).join(', ')}`,
    );
  const other = Object.keys(requirements).find((key) => key !== 'tools' && key !== 'models');
  if (other !== undefined) throw new Error(`task ${type}: requirements has no key "${other}", only tools and models`);
  const bad = requirements.tools?.find((tool) => typeof tool !== 'string' || !PROGRAM.test(tool));
  if (bad !== undefined)
    throw new Error(`task ${type}: requirements.tools contains "${bad}", which is not the name of a program`);
}

/**
 * Defines a task. The file that contains the definition must not import native code: services load it to serve the
 * route, and workers call `load` to run it.
 * @throws Error that describes the fault of the definition
 */
export function defineTask<P extends z.ZodObject, O extends z.ZodObject>(
  definition: TaskDefinition<P, O>,
): TaskDefinition<P, O> {
  const { type, version, timeout = DEFAULT_TIMEOUT, concurrency = 1, batch = 1 } = definition;
  if (!NAME.test(type))
    throw new Error(`task type "${type}" must be lower-case letters, digits and _, beginning with a letter`);
  if ((RESERVED_TASK_NAMES as readonly string[]).includes(type)) throw new Error(`task type "${type}" is reserved`);
  refuseUnknownKeys(definition as unknown as TaskDefinition);
  if (!version) throw new Error(`task ${type} has no version`);
  if (!(timeout > 0)) throw new Error(`task ${type}: timeout must be above 0 seconds`);
  for (const [name, value] of Object.entries({ concurrency, batch }))
    if (!Number.isInteger(value) || value < 1) throw new Error(`task ${type}: ${name} must be a whole number from 1`);
  return Object.freeze(definition);
}
