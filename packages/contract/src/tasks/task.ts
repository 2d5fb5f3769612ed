/** The contract of a task: the form that a client sends and the output that it receives. */
import { z } from 'zod';
import { PRIORITY } from '../constants.js';
import { field } from '../http/field.js';

/** Whether jobs of a task need an upload, in the part named `file`. */
export type FileRule = 'required' | 'optional' | 'none';

/** The contract of a built-in task. */
export interface TaskContract<
  Form extends z.ZodObject = z.ZodObject,
  Output extends z.ZodObject = z.ZodObject,
  File extends FileRule = FileRule,
> {
  readonly type: string;
  readonly summary: string;
  readonly file: File;
  /** Form fields beside `file` and `priority`; their parsed values are stored as the job's params. */
  readonly form: Form;
  /** The `task_output` of a completed job. */
  readonly output: Output;
}

export const taskContract = <F extends z.ZodObject, O extends z.ZodObject, R extends FileRule>(
  contract: TaskContract<F, O, R>,
): TaskContract<F, O, R> => Object.freeze(contract);

/** The options that a caller may set, with their types: numbers are numbers. */
export type TaskOptions<T> = T extends TaskContract<infer F, z.ZodObject> ? Partial<z.output<F>> : never;
/** The name of the form field that a caller must set, if the task has one. */
export type RequiredField<T> =
  T extends TaskContract<infer F, z.ZodObject>
    ? { [Name in keyof z.input<F>]-?: undefined extends z.input<F>[Name] ? never : Name }[keyof z.input<F>]
    : never;
/** The output that a completed job of the task carries. */
export type TaskOutput<T> = T extends TaskContract<z.ZodObject, infer O> ? z.output<O> : never;

/** Form fields of every job creation. */
export const commonJobForm = {
  priority: field.int({ ge: PRIORITY.min, le: PRIORITY.max }).default(PRIORITY.default),
};

/**
 * The fault of a damaged picture that was processed as far as it could be read. Results of older workers lack this
 * field.
 */
export const pictureError = z
  .string()
  .nullable()
  .default(null)
  .describe('The fault of a damaged picture; the result covers the part that can be read');

/** Params of every stored job that has such files. Paths are relative to the job. */
export const commonJobParams = z.object({ input_path: z.string(), output_path: z.string() });
