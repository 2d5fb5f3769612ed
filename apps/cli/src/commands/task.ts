import path from 'node:path';
import type { Command } from 'commander';
import { count, group, integer, type Leaf, leafMaker } from '../command.js';
import { CliError, EXIT } from '../exit-codes.js';
import { flagsOf, longName, TASK_COMMANDS, type TaskCommand } from '../tasks/task-command.js';
import { seconds } from '../values.js';
import type { World } from '../world.js';

/** The name by which commander knows an option. */
const optionName = (field: string): string =>
  longName(field).replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase());

/** Turns the start of a text into a file name. */
const fileNameOf = (text: string): string =>
  text
    .replace(/[^\p{L}\p{N}]+/gu, '-')
    .slice(0, 60)
    .replace(/^-|-$/g, '') || 'text';

/** Collects the values of an option that may be repeated; ids may be separated by commas. */
const references = (text: string, before: unknown): string[] => [
  ...((before as string[] | undefined) ?? []),
  ...(/^[\d,]+$/.test(text) ? text.split(',').filter(Boolean) : [text]),
];

/** Adds the options that every task command has. */
export const addRunOptions = <Args extends readonly unknown[]>(leaf: Leaf<Args>, timeout: number) =>
  leaf
    .option(
      '--entity <id>',
      'run on this file of the store, or on all files of this collection; repeatable',
      references,
    )
    .option('-w, --watch', 'show progress')
    .option('-t, --timeout <time>', `maximum wait for each job, e.g. 90 or 5m (default: ${timeout} s)`, seconds)
    .option('-p, --priority <n>', '0 to 10; 10 runs first', integer)
    .option('-c, --concurrency <n>', 'number of simultaneous jobs (default: 4)', count)
    .option('-o, --output <path>', 'path of the saved result')
    .option('--output-dir <folder>', 'folder of the saved results, named after the inputs')
    .option('--overwrite', 'replace files that exist')
    .option('--no-wait', 'create the jobs and exit')
    .option('--rm', 'delete the jobs from the server when done');

/** The format that the name of the result asks for, if the task has a choice of formats. */
function formatOf(spec: TaskCommand, output: string | undefined): string | undefined {
  const choices = Object.entries(spec.options).find(([field]) => field === 'format')?.[1].choices;
  const extension = path
    .extname(output ?? '')
    .slice(1)
    .toLowerCase();
  if (!choices || extension === '') return undefined;
  if (choices.includes(extension)) return extension;
  throw new CliError(
    `Unknown format .${extension}: use ${choices.join(', ')}`,
    EXIT.usage,
    'Or choose one with --format',
  );
}

/** @throws CliError for `-w 320`: it meant the width in an earlier program, but now 320 would be a file */
function refuseWidthAsFile(spec: TaskCommand, files: readonly string[], watch: boolean | undefined): void {
  const number = 'width' in spec.options && watch ? files.find((file) => /^\d+$/.test(file)) : undefined;
  if (number !== undefined)
    throw new CliError(`${number} is not a file`, EXIT.usage, `-w means --watch; give the width with -W ${number}`);
}

function addTask(parent: Command, world: World, task: string, spec: TaskCommand): void {
  const options = Object.entries(spec.options);
  const isText = spec.input === 'text';
  const word = isText ? 'texts' : 'files';
  const own = group(parent, spec.group, spec.summary);
  const leaf = leafMaker(own, world)<`${string} [${typeof word}...]`>(`${spec.verb} [${word}...]`, spec.summary);
  for (const [field, option] of options) {
    if (option.choices) leaf.choice(flagsOf(field, option), option.text, option.choices);
    else leaf.option(flagsOf(field, option), option.text, option.parse);
  }
  addRunOptions(leaf, spec.timeout).run(async (context, args, given) => {
    const values: Readonly<Record<string, unknown>> = { ...given };
    const params: Record<string, unknown> = {};
    for (const [field, { off }] of options) {
      const value = values[optionName(field)];
      // A `--no-…` option is true if it is not given, which is also the server's default.
      if (value !== undefined && !(off && value === true)) params[field] = value;
    }
    const format = params.format ?? formatOf(spec, given.output);
    if (format !== undefined) params.format = format;
    if (task === 'image_conversion' && format === undefined)
      throw new CliError('Give the format with --format, or with the name of the result: -o cat.webp', EXIT.usage);
    if (task === 'hls_streaming') params.include_original ??= true;
    refuseWidthAsFile(spec, args, given.watch);
    const [{ runTask }, { taskInputs }] = await Promise.all([
      import('../tasks/run-task.js'),
      import('../tasks/task-inputs.js'),
    ]);
    const inputs = isText
      ? args.map((text) => ({ name: text, fileName: fileNameOf(text), params: { text } }))
      : await taskInputs(context, args, given.entity);
    if (inputs.length === 0)
      throw new CliError(isText ? 'Give a text' : 'Give files, or entities of the store with --entity', EXIT.usage);
    await runTask(context, task, inputs, params, { timeout: spec.timeout, ...given });
    const remark = spec.remark?.(params);
    if (remark !== undefined) context.out.note(remark);
  });
}

export function register(program: Command, world: World): void {
  for (const [task, spec] of Object.entries(TASK_COMMANDS)) addTask(program, world, task, spec);
}
