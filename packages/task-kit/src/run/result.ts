/** Checks the value that `run` returns, and completes the main result file. */
import fs from 'node:fs/promises';
import path from 'node:path';
import type { z } from 'zod';
import type { AnyTask } from '../define.js';
import { TaskError } from '../errors.js';
import { resultPath } from './context.js';

/** The first fault that a schema found, in one line: `lines: Invalid input: …`. */
export function describeIssue({ issues: [issue] }: z.ZodError): string {
  const where = issue?.path.join('.') ?? '';
  return `${where === '' ? '' : `${where}: `}${issue?.message ?? 'no reason'}`;
}

const exists = (file: string): Promise<boolean> =>
  fs.access(file).then(
    () => true,
    () => false,
  );

/**
 * Called after `run`: writes the returned value to the default main result file if the task has not written it.
 * @param results absolute path of the folder with the results
 * @throws TaskError if the task declares a main result file and has not written it
 */
export async function finishMainResult(
  task: AnyTask,
  params: Readonly<Record<string, unknown>>,
  output: unknown,
  results: string,
): Promise<void> {
  const { output_path: relative } = params;
  // The result of a job that was created with absolute paths is elsewhere, and its path is empty.
  if (task.outputOptional || typeof relative !== 'string' || relative === '' || path.isAbsolute(relative)) return;
  const file = resultPath(results, relative);
  if (await exists(file)) return;
  if (task.outputPath !== undefined)
    throw new TaskError(
      'task_failed',
      `The task ${task.type} did not write its main result ${relative}: write it with files.write(params.output_path, …), or remove outputPath from its definition`,
    );
  await fs.mkdir(path.dirname(file), { recursive: true, mode: 0o750 });
  await fs.writeFile(file, JSON.stringify(output, null, 2));
}
