/** Makes the context in which a task runs. The worker's runner and the test kit give tasks the same context. */
import { mkdirSync } from 'node:fs';
import fs from 'node:fs/promises';
import path from 'node:path';
import type { TaskContext, TaskEnvironment, TaskFiles, TaskLogger } from '../context.js';

export interface ContextOptions {
  readonly jobId: string;
  readonly attempt: number;
  readonly params: Readonly<Record<string, unknown>>;
  /** Absolute path of the uploaded file, if there is one. */
  readonly input: string | undefined;
  /** Absolute path of the folder for results. */
  readonly results: string;
  /** Absolute path of the scratch folder, which is created only when the task uses it; most tasks never do. */
  readonly scratch: string;
  readonly signal: AbortSignal;
  readonly logger: TaskLogger;
  readonly env: TaskEnvironment;
  /** Called with each whole percentage above the last one. */
  readonly onProgress: (percent: number, message: string | undefined) => void;
}

/**
 * The path of a result inside the results folder.
 * @throws Error if the path is absolute, leads outside the folder, or would hide the input
 */
export function resultPath(results: string, relative: string): string {
  const parts = relative.split(/[/\\]/);
  if (
    relative === '' ||
    relative.includes('\0') ||
    path.isAbsolute(relative) ||
    parts.some((part) => part === '..' || part === '') ||
    parts[0] === 'input'
  )
    throw new Error(`a result's path must be relative, inside the job and not in input/: "${relative}"`);
  return path.join(results, ...parts);
}

function filesOf({ input, results }: ContextOptions): TaskFiles {
  const output = async (relative: string): Promise<string> => {
    const file = resultPath(results, relative);
    mkdirSync(path.dirname(file), { recursive: true, mode: 0o750 });
    return file;
  };
  return { input, output, write: async (relative, content) => fs.writeFile(await output(relative), content) };
}

export function createTaskContext(options: ContextOptions): TaskContext<Record<string, unknown>> {
  const { jobId, attempt, scratch, signal, logger, env, onProgress } = options;
  let reached = -1;
  return {
    jobId,
    attempt,
    params: options.params as TaskContext<Record<string, unknown>>['params'],
    files: filesOf(options),
    get scratch() {
      mkdirSync(scratch, { recursive: true, mode: 0o700 });
      return scratch;
    },
    signal,
    logger,
    env,
    progress: (percent, message) => {
      const whole = Math.floor(Math.min(100, Math.max(0, percent)));
      if (!(whole > reached)) return; // also false for NaN
      reached = whole;
      onProgress(whole, message);
    },
  };
}
