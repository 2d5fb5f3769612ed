import { promises as fsp } from 'node:fs';
import type { BatchItem, TaskInfo } from '@cl-server/client';
import type { Command } from 'commander';
import { group, leafMaker } from '../command.js';
import type { Context } from '../context.js';
import { CliError, EXIT } from '../exit-codes.js';
import { readAll } from '../io/prompt.js';
import type { RunTaskOptions } from '../tasks/run-task.js';
import { schemaOptions } from '../tasks/schema-options.js';
import type { World } from '../world.js';
import { addRunOptions, register as registerTasks } from './task.js';
import { capabilities } from './workers.js';

/** The first remedy of a reason; `tasks <type>` shows all of it. */
const shortReason = ({ reason }: TaskInfo): string | undefined => reason?.split(', or ', 1)[0];

const TASK_VIEW = {
  columns: [
    { title: 'Task', value: (task: TaskInfo) => task.task_type, whole: true },
    { title: 'Version', value: (task: TaskInfo) => task.version },
    { title: 'From', value: (task: TaskInfo) => task.source },
    {
      title: 'Now',
      value: (task: TaskInfo) => (task.available ? 'yes' : (task.reason ?? 'no')),
      shown: (task: TaskInfo) => (task.available ? 'yes' : 'no'),
      whole: true,
    },
    { title: 'Description', value: (task: TaskInfo) => task.summary, wraps: true },
    { title: 'Reason', value: () => null, shown: shortReason, below: true },
  ],
  id: (task: TaskInfo) => task.task_type,
};

async function taskOf(context: Context, type: string): Promise<TaskInfo> {
  const tasks = await (await context.platform()).compute.jobs.tasks(context.call);
  const task = tasks.find(({ task_type }) => task_type === type.replaceAll('-', '_') || task_type === type);
  if (task) return task;
  throw new CliError(`The server has no task ${type}`, EXIT.notFound, 'List the tasks with: cl-client tasks');
}

interface RunOptions extends RunTaskOptions {
  readonly entity?: string[];
}

async function run(context: Context, type: string, words: string[], options: RunOptions): Promise<void> {
  const task = await taskOf(context, type);
  const { params, rest } = schemaOptions(task.params, words);
  const [{ runTask }, { taskInputs }] = await Promise.all([
    import('../tasks/run-task.js'),
    import('../tasks/task-inputs.js'),
  ]);
  const given = rest.length > 0 || options.entity !== undefined;
  if (task.file === 'none' && given) throw new CliError(`${task.task_type} takes no file`, EXIT.usage);
  if (task.file === 'required' && !given)
    throw new CliError(
      `${task.task_type} needs a file`,
      EXIT.usage,
      'Give files, or entities of the store with --entity',
    );
  const inputs = await taskInputs(context, rest, options.entity, { mediaOnly: false });
  await runTask(context, task.task_type, inputs.length > 0 ? inputs : [{ name: task.task_type }], params, options);
}

/** A field of a task as its JSON schema describes it. */
interface FieldSchema {
  readonly type?: unknown;
  readonly enum?: readonly unknown[];
  readonly anyOf?: readonly FieldSchema[];
  readonly default?: unknown;
  readonly description?: string;
}

const typeText = ({ type, enum: words, anyOf }: FieldSchema): string =>
  words ? words.join(' | ') : anyOf ? anyOf.map(typeText).join(' | ') : [type ?? 'any'].flat().join(' | ');

async function printTask({ out }: Context, task: TaskInfo): Promise<void> {
  const { params, output, ...rest } = task;
  if (out.format !== 'human') return out.one(task, TASK_VIEW.id);
  await out.one(rest);
  const fields = Object.entries((params.properties ?? {}) as Readonly<Record<string, FieldSchema>>);
  if (fields.length === 0) return;
  out.write('\n');
  await out.many(fields, {
    columns: [
      { title: 'Option', value: ([name]) => `--${name.replaceAll('_', '-')}` },
      { title: 'Type', value: ([, schema]) => typeText(schema) },
      { title: 'Default', value: ([, schema]) => schema.default },
      { title: 'Meaning', value: ([, { description }]) => description, wraps: true },
    ],
    id: ([name]) => name,
  });
}

/** One item of a batch file: one of the server's items, or one with a local file. */
type FileItem = BatchItem & { readonly file?: string };

async function readBatch(file: string, world: World): Promise<FileItem[]> {
  const text =
    file === '-'
      ? await readAll(world.stdin)
      : await fsp.readFile(file, 'utf8').catch(() => {
          throw new CliError(`${file}: no such file`, EXIT.badInput);
        });
  let items: unknown;
  try {
    items = JSON.parse(text);
  } catch {
    throw new CliError(`${file} is not valid JSON`, EXIT.badInput);
  }
  if (!Array.isArray(items)) throw new CliError(`${file} must contain a list of jobs`, EXIT.badInput);
  return items as FileItem[];
}

interface BatchRow {
  readonly index: number;
  readonly job_id?: string;
  readonly task_type: string;
  readonly error?: string;
}

async function submitBatch(context: Context, file: string): Promise<void> {
  const items = await readBatch(file, context.world);
  const { jobs } = (await context.platform()).compute;
  const rows: BatchRow[] = [];
  const plain = items.flatMap((item, index) => (item.file === undefined ? [{ item, index }] : []));
  for (let at = 0; at < plain.length; at += 100) {
    const part = plain.slice(at, at + 100);
    const { results } = await jobs.batch(
      part.map(({ item }) => item),
      context.call,
    );
    for (const [i, result] of results.entries()) {
      const { item, index } = part[i] as (typeof part)[number];
      const outcome = result.ok
        ? { job_id: result.job.job_id }
        : { error: typeof result.detail === 'string' ? result.detail : JSON.stringify(result.detail) };
      rows.push({ index, task_type: item.task_type, ...outcome });
    }
  }
  for (const [index, { file: source, task_type, params, priority }] of items.entries()) {
    if (source === undefined) continue;
    const outcome = await jobs
      .submit(task_type, source, params, { priority, wait: false, signal: context.signal })
      .then(({ job_id }) => ({ job_id }))
      .catch((error: Error) => {
        if (context.signal.aborted) throw error;
        return { error: error.message };
      });
    rows.push({ index, task_type, ...outcome });
  }
  rows.sort((a, b) => a.index - b.index);
  await context.out.many(rows, {
    columns: [
      { title: '#', value: (row) => row.index },
      { title: 'Task', value: (row) => row.task_type },
      { title: 'Job', value: (row) => row.job_id },
      { title: 'Error', value: (row) => row.error },
    ],
    id: (row) => row.job_id,
  });
  const failed = rows.filter(({ error }) => error !== undefined).length;
  if (failed > 0) throw new CliError(`${failed} of ${rows.length} were refused`, EXIT.failed);
}

export function register(program: Command, world: World): void {
  const compute = group(program, 'compute', 'Built-in tasks, and what the workers can run');
  registerTasks(compute, world);
  leafMaker(compute, world)('capabilities', 'Show how many jobs of each task could start now').run(capabilities);
  const leaf = leafMaker(program, world);
  leaf('tasks [type]', 'List all tasks, or show the fields of one').run(async (context, type) => {
    if (type) return printTask(context, await taskOf(context, type));
    await context.out.many(await (await context.platform()).compute.jobs.tasks(context.call), TASK_VIEW);
  });
  const any = leaf('run <task> [words...]', 'Run any task on files, including tasks of plugins');
  any.command
    .allowUnknownOption()
    .addHelpText('after', '\nThe fields of the task are options; see cl-client tasks <type>.');
  addRunOptions(any, 600).run(run);
  leafMaker(group(program, 'batch', 'Create many jobs at once'), world)(
    'submit <file>',
    'Create the jobs of a JSON list with task_type, params, priority, and file or input (- for standard input)',
  ).run(submitBatch);
}
