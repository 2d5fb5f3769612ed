/** The test kit for plugin authors. It runs a task from form fields to result files in a temporary folder. */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { z } from 'zod';
import type { TaskEnvironment } from './context.js';
import type { AnyTask, InputFile, TaskDefinition } from './define.js';
import { type PluginKit, pluginKit } from './kit.js';
import { parseParams, storedParams } from './params.js';
import { createTaskContext } from './run/context.js';
import { createTaskLogger } from './run/logger.js';
import { describeIssue, finishMainResult } from './run/result.js';
import { findTools } from './tools.js';

export interface TaskRunOptions {
  /** The uploaded file: a path, or a name with its bytes. */
  readonly file?: string | { readonly name: string; readonly content: string | Uint8Array };
  /** Form fields, typed or as text. */
  readonly params?: Readonly<Record<string, unknown>>;
  readonly env?: Partial<TaskEnvironment>;
  readonly signal?: AbortSignal;
}

export interface TaskRun<Output> extends Disposable {
  /** The result of `run`, checked by the output schema of the task. */
  readonly output: Output;
  /** The params as they would be stored. */
  readonly params: Readonly<Record<string, unknown>>;
  /** Relative paths of all result files, sorted. */
  readonly files: readonly string[];
  readonly progress: readonly { readonly percent: number; readonly message: string | undefined }[];
  readonly log: readonly { readonly level: string; readonly fields: object; readonly message: string }[];
  read(relative: string): Buffer;
  /** Absolute path of a result file, for external tools. */
  path(relative: string): string;
  /** Removes the folder; `using` calls this automatically. */
  remove(): void;
}

const quiet = createTaskLogger(() => undefined);

/** The programs that every task may use. */
const PLATFORM_TOOLS = ['ffmpeg', 'ffprobe', 'exiftool'];

/** An environment like that of a worker: the programs on the path, no models. */
export const testEnvironment = (overrides: Partial<TaskEnvironment> = {}): TaskEnvironment => ({
  tools: findTools(PLATFORM_TOOLS, process.env),
  modelsDir: path.join(os.tmpdir(), 'no-models'),
  mediaDir: path.join(os.tmpdir(), 'no-media'),
  streamsDir: path.join(os.tmpdir(), 'no-streams'),
  maxImagePixels: 150_000_000,
  threads: 1,
  settings: {},
  logger: quiet,
  once: (_name, find) => find(),
  ...overrides,
});

function placeInput(folder: string, file: TaskRunOptions['file']): InputFile | undefined {
  if (file === undefined) return undefined;
  const name = typeof file === 'string' ? path.basename(file) : file.name;
  const target = path.join(folder, 'input', name);
  fs.mkdirSync(path.dirname(target), { recursive: true });
  if (typeof file === 'string') fs.copyFileSync(file, target);
  else fs.writeFileSync(target, file.content);
  return { path: `input/${name}`, name, size: fs.statSync(target).size };
}

/**
 * Runs a task (a definition, or a plugin's function that makes one) like a worker: fields are checked and stored, then
 * `prepare`, `setup` and `run` are called, and the output is checked.
 * @throws all errors of the task (`TaskRefusal`, `TaskError`, `TaskUnavailable`), a zod error for bad fields, and an
 * error for a missing or wrong result
 */
export async function runTask<P extends z.ZodObject, O extends z.ZodObject>(
  plugin: TaskDefinition<P, O> | ((kit: PluginKit) => TaskDefinition<P, O>),
  options: TaskRunOptions = {},
): Promise<TaskRun<z.output<O>>> {
  const task = typeof plugin === 'function' ? plugin(pluginKit) : plugin;
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), `task-${task.type}-`));
  const remove = (): void => fs.rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  try {
    return { ...(await runIn(folder, task, options)), remove, [Symbol.dispose]: remove };
  } catch (error) {
    remove();
    throw error;
  }
}

async function runIn<P extends z.ZodObject, O extends z.ZodObject>(
  folder: string,
  task: TaskDefinition<P, O>,
  { file, params = {}, env: overrides, signal = new AbortController().signal }: TaskRunOptions,
): Promise<Omit<TaskRun<z.output<O>>, 'remove' | typeof Symbol.dispose>> {
  const log: TaskRun<unknown>['log'][number][] = [];
  const logger = createTaskLogger((level, fields, message) => log.push({ level, fields, message }));
  const tools = findTools([...PLATFORM_TOOLS, ...(task.requirements?.tools ?? [])], process.env);
  const env = testEnvironment({ logger, tools, ...overrides });

  const input = placeInput(folder, file);
  if (!input && (task.file ?? 'required') === 'required') throw new Error(`task ${task.type} needs a file`);
  const checked = parseParams(task as AnyTask, params);
  if (!checked.success) throw checked.error;
  const context = { input, mediaDir: env.mediaDir, streamsDir: env.streamsDir };
  const changed = await task.prepare?.(checked.data as z.output<P>, context);
  const stored = storedParams(task as AnyTask, { ...checked.data, ...changed }, input);

  const results = path.join(folder, 'results');
  const scratch = path.join(folder, 'scratch');
  fs.mkdirSync(results);
  fs.mkdirSync(scratch);
  const progress: TaskRun<unknown>['progress'][number][] = [];
  const module = await task.load();
  try {
    await module.setup?.(env);
    const given = await module.run(
      createTaskContext({
        jobId: `test-${task.type}`,
        attempt: 1,
        params: stored,
        input: input && path.join(folder, input.path),
        results,
        scratch,
        signal,
        logger,
        env,
        onProgress: (percent, message) => progress.push({ percent, message }),
      }) as Parameters<typeof module.run>[0],
    );
    const checkedOutput = task.output.safeParse(given);
    if (!checkedOutput.success)
      throw new Error(`The output of ${task.type} does not match its schema: ${describeIssue(checkedOutput.error)}`, {
        cause: checkedOutput.error,
      });
    const output = checkedOutput.data as z.output<O>;
    await finishMainResult(task as AnyTask, stored, given, results);
    const files = fs
      .readdirSync(results, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => path.relative(results, path.join(entry.parentPath, entry.name)))
      .sort();
    const at = (relative: string): string => path.join(results, relative);
    return {
      output,
      params: stored,
      files,
      progress,
      log,
      path: at,
      read: (relative) => fs.readFileSync(at(relative)),
    };
  } finally {
    await module.teardown?.();
  }
}
