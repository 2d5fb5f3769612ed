/** Clients of the built-in tasks. Arguments, options and output are typed from the contract's table of tasks. */
import type { BuiltInTask, BuiltInTasks, RequiredField, TaskOptions, TaskOutput } from '@cl-server/contract';
import type { FileInput } from '../files/source.js';
import type { Fields } from '../http/body.js';
import type { JobHandle } from '../jobs/job-handle.js';
import type { JobsClient, SubmitOptions } from '../jobs/jobs-client.js';

/** Options of a task together with those of every submission. Fields that are arguments are no options. */
export type RunOptions<T extends BuiltInTask, Wait extends boolean> = Omit<
  TaskOptions<BuiltInTasks[T]>,
  RequiredField<BuiltInTasks[T]>
> &
  SubmitOptions<Wait>;

/** The file of a task; undefined is accepted if the task also works without one. */
type FileOf<T extends BuiltInTask> = BuiltInTasks[T]['file'] extends 'optional' ? FileInput | undefined : FileInput;

/** The value of the form field that a task requires. */
type RequiredValue<T extends BuiltInTask> =
  RequiredField<BuiltInTasks[T]> extends keyof TaskOptions<BuiltInTasks[T]>
    ? NonNullable<TaskOptions<BuiltInTasks[T]>[RequiredField<BuiltInTasks[T]>]>
    : never;

/** Creates a job of a task. The arguments are its file, the field that it requires, and its options. */
export type RunTask<T extends BuiltInTask> = BuiltInTasks[T]['file'] extends 'none'
  ? <Wait extends boolean = true>(
      value: RequiredValue<T>,
      options?: RunOptions<T, Wait>,
    ) => JobHandle<TaskOutput<BuiltInTasks[T]>, Wait>
  : [RequiredField<BuiltInTasks[T]>] extends [never]
    ? <Wait extends boolean = true>(
        file: FileOf<T>,
        options?: RunOptions<T, Wait>,
      ) => JobHandle<TaskOutput<BuiltInTasks[T]>, Wait>
    : <Wait extends boolean = true>(
        file: FileOf<T>,
        value: RequiredValue<T>,
        options?: RunOptions<T, Wait>,
      ) => JobHandle<TaskOutput<BuiltInTasks[T]>, Wait>;

/** The client of one task: a namespace with one method. */
export type TaskClient<T extends BuiltInTask, Method extends string> = { readonly [Name in Method]: RunTask<T> };

/** The names of the arguments that precede the options. */
type ArgumentsOf<T extends BuiltInTask> = BuiltInTasks[T]['file'] extends 'none'
  ? readonly [RequiredField<BuiltInTasks[T]>]
  : [RequiredField<BuiltInTasks[T]>] extends [never]
    ? readonly ['file']
    : readonly ['file', RequiredField<BuiltInTasks[T]>];

interface TaskMethod<T extends BuiltInTask, Method extends string> {
  readonly task: T;
  readonly method: Method;
  readonly args: ArgumentsOf<T>;
  /** Options that apply unless the caller sets them. */
  readonly defaults?: TaskOptions<BuiltInTasks[T]>;
}

/**
 * Separates the options of a submission from those of the task.
 * @internal
 */
export function splitOptions<Wait extends boolean>(
  options: SubmitOptions<Wait> & Fields,
): { submit: SubmitOptions<Wait>; params: Fields } {
  const { priority, wait, timeoutMs, signal, onProgress, onComplete, onUploadProgress, idempotencyKey, ...params } =
    options;
  const submit = { priority, wait, timeoutMs, signal, onProgress, onComplete, onUploadProgress, idempotencyKey };
  return { submit, params };
}

/**
 * Makes the client of a built-in task.
 * @internal
 */
export function taskClient<T extends BuiltInTask, Method extends string>(
  jobs: JobsClient,
  { task, method, args, defaults }: TaskMethod<T, Method>,
): TaskClient<T, Method> {
  const run = (...given: readonly unknown[]) => {
    const { file, ...fields } = Object.fromEntries(args.map((name, at) => [name, given[at]]));
    const { submit, params } = splitOptions({ ...defaults, ...(given[args.length] as Fields | undefined) });
    return jobs.submit(task, file as FileInput | undefined, { ...params, ...fields }, submit);
  };
  // Only the type knows which arguments each task has; `args` is checked against the same table.
  return { [method]: run } as unknown as TaskClient<T, Method>;
}
