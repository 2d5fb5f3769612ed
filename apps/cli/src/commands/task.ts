import type { Command } from 'commander';
import { count, group, integer, Leaf, seconds } from '../command.js';
import { CliError, EXIT } from '../exit-codes.js';
import type { RunTaskOptions } from '../tasks/run-task.js';
import { TASK_COMMANDS, type TaskCommand, type TaskOption } from '../tasks/task-command.js';
import type { World } from '../world.js';

const camel = (name: string): string => name.replace(/[-_](\w)/g, (_, letter: string) => letter.toUpperCase());

/** Name of the option and of its form field. */
function names({ flags, field }: TaskOption): { option: string; field: string } {
  const long = /--(?:no-)?([\w-]+)/.exec(flags)?.[1] ?? '';
  return { option: camel(long), field: field ?? long.replaceAll('-', '_') };
}

/** The beginning of a text, as a file may be named. */
const fileNameOf = (text: string): string =>
  text
    .replace(/[^\p{L}\p{N}]+/gu, '-')
    .slice(0, 60)
    .replace(/^-|-$/g, '') || 'text';

/** Adds the options that every task command has. @param watch with `-w` where that is no width */
export const addRunOptions = (leaf: Leaf, timeout: number, watch = '--watch'): Leaf =>
  leaf
    .option(watch, 'tell of progress')
    .option('-t, --timeout <seconds>', `how long to wait for each job (default: ${timeout})`, seconds)
    .option('-p, --priority <n>', '0 to 10, 10 is served first', integer)
    .option('-c, --concurrency <n>', 'jobs at once (default: 4)', count)
    .option('-o, --output <path>', 'save the result here')
    .option('--output-dir <folder>', 'save the results here, named after the inputs')
    .option('--no-wait', 'submit and end')
    .option('--rm', 'remove the jobs from the server when done');

function addTask(parent: Command, world: World, spec: TaskCommand): void {
  const word = spec.input === 'file' ? 'files' : 'texts';
  const own = group(parent, spec.group, spec.summary);
  const leaf = new Leaf(own, world, `${spec.verb} <${word}...>`, spec.summary);
  // The height of a picture has its short form here; help keeps its long one.
  if (spec.options.some(({ flags }) => flags.startsWith('-h,'))) leaf.command.helpOption('--help', 'show this help');
  for (const option of spec.options) {
    if (option.choices) leaf.choice(option.flags, option.text, option.choices);
    else leaf.option(option.flags, option.text, option.parse);
  }
  const hasWidth = spec.options.some(({ flags }) => flags.startsWith('-w,'));
  addRunOptions(leaf, spec.timeout, hasWidth ? '--watch' : '-w, --watch').does<
    [string[]],
    RunTaskOptions & Record<string, unknown>
  >(async (context, args, options) => {
    const params: Record<string, unknown> = {};
    for (const option of spec.options) {
      const { option: name, field } = names(option);
      // A `--no-…` option is true by itself, which is the server's default too.
      if (options[name] !== undefined && !(option.flags.startsWith('--no-') && options[name] === true))
        params[field] = options[name];
    }
    if (spec.task === 'image_conversion' && params.format === undefined)
      throw new CliError('Which format? Say it with --format', EXIT.usage);
    if (spec.task === 'hls_streaming') params.include_original ??= true;
    const [{ runTask }, { expandInputs }] = await Promise.all([
      import('../tasks/run-task.js'),
      import('../files/inputs.js'),
    ]);
    const inputs =
      spec.input === 'text'
        ? args.map((text) => ({ name: text, fileName: fileNameOf(text), params: { text } }))
        : (await expandInputs(args, world.stdin)).map(({ source, name }) => ({ name, file: source }));
    await runTask(context, spec.task, inputs, params, { timeout: spec.timeout, ...options });
  });
}

export function register(program: Command, world: World): void {
  for (const spec of TASK_COMMANDS) addTask(program, world, spec);
}
