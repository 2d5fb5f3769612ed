/** The parameters of a task between the request and the stored job. */
import type { z } from 'zod';
import type { AnyTask, InputFile } from './define.js';

/**
 * Converts values to the form of form fields, for schemas that read text: numbers and booleans become text, lists and
 * objects JSON; null and an empty text count as absent.
 */
export function formText(values: Readonly<Record<string, unknown>>): Record<string, string> {
  const text: Record<string, string> = {};
  for (const [name, value] of Object.entries(values)) {
    if (value === null || value === undefined || value === '') continue;
    text[name] = typeof value === 'object' ? JSON.stringify(value) : String(value);
  }
  return text;
}

/** Checks and converts the fields of a task, in the same way for form text and for JSON values. */
export const parseParams = (
  task: AnyTask,
  values: Readonly<Record<string, unknown>>,
): z.ZodSafeParseResult<Record<string, unknown>> =>
  task.params.safeParse(formText(values)) as z.ZodSafeParseResult<Record<string, unknown>>;

/** Path of the main result of a job, relative to the job. */
export function outputPath(
  task: AnyTask,
  params: Readonly<Record<string, unknown>>,
  input: InputFile | undefined,
): string {
  const { outputPath: rule } = task;
  return typeof rule === 'function' ? rule(params, input) : (rule ?? `output/${task.type}.json`);
}

/** The parameters that are stored with the job: the paths that every client reads, then the task's own. */
export const storedParams = (
  task: AnyTask,
  params: Readonly<Record<string, unknown>>,
  input: InputFile | undefined,
): Record<string, unknown> => ({
  ...(input && { input_path: input.path }),
  output_path: outputPath(task, params, input),
  ...params,
});
