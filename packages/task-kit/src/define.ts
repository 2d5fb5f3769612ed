import { type FileRule, RESERVED_TASK_NAMES } from '@cl-server/contract';
import type { z } from 'zod';
import type { TaskContext, TaskEnvironment, Tool } from './context.js';

/** The upload as the service stored it. */
export interface InputFile {
  /** `input/<sanitised name>`. */
  readonly path: string;
  /** The sanitised name. */
  readonly name: string;
  readonly size: number;
}

/** What `prepare` may look at when a job is created, in the service's process. */
export interface PrepareContext {
  readonly input: InputFile | undefined;
  readonly mediaDir: string;
  readonly streamsDir: string;
}

/** The part of a task that does the work; loaded only in a worker's child process. */
export interface TaskModule<Params = never, Output = unknown> {
  /** Once per process, before the first job. @throws TaskUnavailable where the task cannot run */
  setup?(env: TaskEnvironment): Promise<void>;
  run(context: TaskContext<Params>): Promise<Output>;
  /** Several jobs of this task at once; results in the same order, each its own outcome. */
  runBatch?(contexts: readonly TaskContext<Params>[]): Promise<readonly PromiseSettledResult<Output>[]>;
  /** Before the process ends: child processes and handles go. */
  teardown?(): Promise<void>;
}

export interface TaskDefinition<P extends z.ZodObject = z.ZodObject, O extends z.ZodObject = z.ZodObject> {
  /** Name in URLs and in `task_type`: lower-case letters, digits and `_`. */
  readonly type: string;
  readonly version: string;
  readonly summary: string;
  /** Form fields (see `field` of the contract); their output types are what `run` gets. */
  readonly params: P;
  /** Checked before a result is committed. */
  readonly output: O;
  /** Default: required. */
  readonly file?: FileRule;
  /** Where the main result file goes, relative to the job. Default `output/<type>.json`. */
  readonly outputPath?: string | ((params: z.output<P>, input: InputFile | undefined) => string);
  /**
   * Checks what a schema cannot (fields against each other, paths against folders) and may change params
   * before they are stored: what it returns is laid over them, and keys it does not name stay.
   * @throws TaskRefusal
   */
  readonly prepare?: (
    params: z.output<P>,
    context: PrepareContext,
  ) => Promise<Readonly<Record<string, unknown>> | undefined> | Readonly<Record<string, unknown>> | undefined;
  readonly requirements?: {
    readonly tools?: readonly Tool[];
    /** Ids of the model store, for the list of what is missing. */
    readonly models?: readonly string[];
  };
  /** Seconds after which a running job is ended. Default 600. */
  readonly timeout?: number;
  /** Jobs at once in one worker; default: as many as the worker's concurrency. */
  readonly concurrency?: number;
  /** Jobs given to `runBatch` at once; default 1, `run` alone. */
  readonly batch?: number;
  /**
   * Tasks with the same word share one child process, e.g. because they share a large model session or a tool that is
   * started once. Default: the general processes.
   */
  readonly process?: string;
  readonly load: () => Promise<TaskModule<z.output<P>, z.input<O>>>;
}

/** A definition whatever its schemas, for registries. */
// biome-ignore lint/suspicious/noExplicitAny: "some task": the schemas are invariant in their type parameters
export type AnyTask = TaskDefinition<any, any>;

/** Seconds after which a job is ended where its task says nothing. */
export const DEFAULT_TIMEOUT = 600;

const NAME = /^[a-z][a-z0-9_]{0,63}$/;

/**
 * Defines a task. The file that holds it imports no native code: services load it to serve the route, workers call
 * `load` to run it.
 * @throws Error naming what is wrong with the definition
 */
export function defineTask<P extends z.ZodObject, O extends z.ZodObject>(
  definition: TaskDefinition<P, O>,
): TaskDefinition<P, O> {
  const { type, version, timeout = DEFAULT_TIMEOUT, concurrency = 1, batch = 1 } = definition;
  if (!NAME.test(type))
    throw new Error(`task type "${type}" must be lower-case letters, digits and _, beginning with a letter`);
  if ((RESERVED_TASK_NAMES as readonly string[]).includes(type)) throw new Error(`task type "${type}" is reserved`);
  if (!version) throw new Error(`task ${type} has no version`);
  if (!(timeout > 0)) throw new Error(`task ${type}: timeout must be above 0 seconds`);
  for (const [name, value] of Object.entries({ concurrency, batch }))
    if (!Number.isInteger(value) || value < 1) throw new Error(`task ${type}: ${name} must be a whole number from 1`);
  return Object.freeze(definition);
}
