import { z } from 'zod';
import { PRIORITY } from '../constants.js';
import { field } from '../http/field.js';

/** Whether a task's jobs come with an upload, in the part named `file`. */
export type FileRule = 'required' | 'optional' | 'none';

/** The wire side of a built-in task: what a client sends and what comes back. */
export interface TaskContract<Form extends z.ZodObject = z.ZodObject, Output extends z.ZodObject = z.ZodObject> {
  readonly type: string;
  readonly summary: string;
  readonly file: FileRule;
  /** Form fields beside `file` and `priority`; their output types are the stored params. */
  readonly form: Form;
  /** `task_output` of a completed job. */
  readonly output: Output;
}

export const taskContract = <F extends z.ZodObject, O extends z.ZodObject>(
  contract: TaskContract<F, O>,
): TaskContract<F, O> => Object.freeze(contract);

/** What a caller may set, typed: numbers as numbers. */
export type TaskOptions<T> = T extends TaskContract<infer F, z.ZodObject> ? Partial<z.output<F>> : never;
/** What a completed job of the task carries. */
export type TaskOutput<T> = T extends TaskContract<z.ZodObject, infer O> ? z.output<O> : never;

/** Fields that every job creation takes. */
export const commonJobForm = {
  priority: field.int({ ge: PRIORITY.min, le: PRIORITY.max }).default(PRIORITY.default),
};

/** What a task says of a damaged picture, of which it made what it could. Results of earlier workers lack it. */
export const pictureError = z
  .string()
  .nullable()
  .default(null)
  .describe('What is wrong with the picture where it is damaged; the result is of the part that can be read');

/** Params that every stored job has where they apply. Paths are relative to the job. */
export const commonJobParams = z.object({ input_path: z.string(), output_path: z.string() });
