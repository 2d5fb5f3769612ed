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

/** Adds the options that every task command has. @param watch without `-w` if the task uses it for a width */
export const addRunOptions = <Args extends readonly unknown[]>(
  leaf: Leaf<Args>,
  timeout: number,
  watch: '--watch' | '-w, --watch' = '--watch',
) =>
  leaf
    .option(watch, 'show progress')
    .option('-t, --timeout <seconds>', `maximum wait for each job (default: ${timeout})`, seconds)
    .option('-p, --priority <n>', '0 to 10; 10 runs first', integer)
    .option('-c, --concurrency <n>', 'number of simultaneous jobs (default: 4)', count)
    .option('-o, --output <path>', 'path of the saved result')
    .option('--output-dir <folder>', 'folder of the saved results, named after the inputs')
    .option('--no-wait', 'create the jobs and exit')
    .option('--rm', 'delete the jobs from the server when done');

function addTask(parent: Command, world: World, task: string, spec: TaskCommand): void {
  const options = Object.entries(spec.options);
  const word = spec.input === 'file' ? 'files' : 'texts';
  const own = group(parent, spec.group, spec.summary);
  const leaf = leafMaker(own, world)<`${string} <${typeof word}...>`>(`${spec.verb} <${word}...>`, spec.summary);
  // `-h` means the height of a picture here; the help keeps its long option.
  if (options.some(([, { short }]) => short === '-h')) leaf.command.helpOption('--help', 'show this help');
  for (const [field, option] of options) {
    if (option.choices) leaf.choice(flagsOf(field, option), option.text, option.choices);
    else leaf.option(flagsOf(field, option), option.text, option.parse);
  }
  const hasWidth = options.some(([, { short }]) => short === '-w');
  addRunOptions(leaf, spec.timeout, hasWidth ? '--watch' : '-w, --watch').run(async (context, args, given) => {
    const values: Readonly<Record<string, unknown>> = { ...given };
    const params: Record<string, unknown> = {};
    for (const [field, { off }] of options) {
      const value = values[optionName(field)];
      // A `--no-…` option is true if it is not given, which is also the server's default.
      if (value !== undefined && !(off && value === true)) params[field] = value;
    }
    if (task === 'image_conversion' && params.format === undefined)
      throw new CliError('Give the format with --format', EXIT.usage);
    if (task === 'hls_streaming') params.include_original ??= true;
    const [{ runTask }, { expandInputs }] = await Promise.all([
      import('../tasks/run-task.js'),
      import('../files/inputs.js'),
    ]);
    const inputs =
      spec.input === 'text'
        ? args.map((text) => ({ name: text, fileName: fileNameOf(text), params: { text } }))
        : (await expandInputs(args, world.stdin)).map(({ source, name }) => ({ name, file: source }));
    await runTask(context, task, inputs, params, { timeout: spec.timeout, ...given });
  });
}

export function register(program: Command, world: World): void {
  for (const [task, spec] of Object.entries(TASK_COMMANDS)) addTask(program, world, task, spec);
}
