import { printable } from '@cl-server/contract/printable';
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { Context } from './context.js';
import { CliError, EXIT } from './exit-codes.js';
import { SavedOutput } from './io/saved-output.js';
import type { GlobalOptions, World } from './world.js';

/** Adds the options that work on every command; shown in the help of the program alone. */
function addGlobals(command: Command, hidden: boolean): Command {
  const option = (flags: string, text: string): Option => new Option(flags, text).hideHelp(hidden);
  return command
    .addOption(option('--json', 'print data as JSON'))
    .addOption(option('--ndjson', 'print data as JSON, one line each'))
    .addOption(option('--quiet', 'print ids only'))
    .addOption(option('--debug', 'tell of every request, and of the place where an error arose'))
    .addOption(option('--profile <name>', 'which saved addresses and login (CL_PROFILE)'))
    .addOption(option('--auth-url <url>', 'address of the auth service (AUTH_URL)'))
    .addOption(option('--store-url <url>', 'address of the store (STORE_URL)'))
    .addOption(option('--compute-url <url>', 'address of compute (COMPUTE_URL)'))
    .addOption(option('--mqtt-url <url>', 'address of the broker, or none (MQTT_URL)'))
    .addOption(option('--token <token>', 'use this token instead of a login (CL_TOKEN)'))
    .addOption(option('--transport <way>', 'how ends of jobs are heard of').choices(['mqtt', 'sse', 'poll']));
}

/** An option whose value has another name than its flag, which some commands have for something else. */
function renamed(flags: string, text: string, name: string): Option {
  const option = new Option(flags, text);
  option.attributeName = () => name;
  return option;
}

/** Who calls, said before the command: after it `--password` may be another user's. */
const addLogin = (program: Command): Command =>
  program
    .addOption(renamed('--username <name>', 'log in for this command alone (CL_USERNAME)', 'loginUsername'))
    .addOption(
      renamed('--password <password>', 'others can see it while the program runs (CL_PASSWORD)', 'loginPassword'),
    )
    .addOption(renamed('--no-auth', 'be a guest for this command', 'sendLogin'));

export const createProgram = (version: string, world: World): Command =>
  addLogin(addGlobals(new Command('cl-client'), false))
    .description('The command line of CL Server')
    .version(version)
    .exitOverride()
    // `--version` of a command is its own, not the program's.
    .enablePositionalOptions()
    .configureOutput({
      writeOut: (text) => world.stdout.write(text),
      writeErr: (text) => world.stderr.write(printable(text)),
    })
    .showHelpAfterError('(cl-client --help tells more)');

/** A command that only holds others. */
export function group(parent: Command, name: string, summary: string): Command {
  const found = parent.commands.find((command) => command.name() === name);
  if (found) return found;
  return addGlobals(parent.command(name).description(summary), true);
}

/** Options as commander gives them, by their camel-case names. */
export type Options<T> = T & GlobalOptions;

/** What a command does: the context, the arguments in order, then its options. */
export type Action<Args extends readonly unknown[], T> = (
  context: Context,
  ...rest: [...Args, Options<T>]
) => Promise<void>;

/**
 * A command that does something.
 * @param spec name and arguments: `get <id>`
 */
export class Leaf {
  readonly command: Command;
  readonly #world: World;
  #savable = false;

  constructor(parent: Command, world: World, spec: string, summary: string) {
    this.#world = world;
    this.command = addGlobals(parent.command(spec).description(summary), true);
  }

  option(flags: string, text: string, parse?: (value: string, before: unknown) => unknown): this {
    if (parse) this.command.option(flags, text, parse);
    else this.command.option(flags, text);
    return this;
  }

  choice(flags: string, text: string, words: readonly string[]): this {
    this.command.addOption(new Option(flags, text).choices(words));
    return this;
  }

  /** An option's earlier spelling: understood, and shown nowhere. @param name the option whose value it gives */
  formerly(flags: string, name: string, parse?: (value: string, before: unknown) => unknown): this {
    const option = renamed(flags, '', name).hideHelp();
    if (parse) option.argParser(parse);
    this.command.addOption(option);
    return this;
  }

  /** Adds `-o`: what the command prints goes to a file, as JSON. */
  savable(): this {
    this.#savable = true;
    return this.option('-o, --output <file>', 'save as JSON in this file');
  }

  /** Words that help and completion offer for the first argument. */
  suggest(words: readonly string[]): this {
    const [first] = this.command.registeredArguments;
    if (first) first.argChoices = [...words];
    return this;
  }

  alias(name: string): this {
    this.command.alias(name);
    return this;
  }

  does<Args extends readonly unknown[], T extends object>(action: Action<Args, T>): this {
    this.command.action(async (...given: unknown[]) => {
      const own = given.at(-1) as Command;
      const options = own.optsWithGlobals<Options<T> & { readonly output?: string }>();
      const file = this.#savable ? options.output : undefined;
      const saved = new SavedOutput();
      const context =
        file === undefined
          ? new Context(this.#world, options)
          : new Context({ ...this.#world, stdout: saved.stream }, { ...options, json: true });
      const args = given.slice(0, -2) as unknown as Args;
      try {
        await action(context, ...args, options);
        if (file !== undefined) await saved.save(file);
      } finally {
        await context.close();
      }
    });
    return this;
  }
}

/** Makes leaves of one parent. */
export const leafMaker =
  (parent: Command, world: World) =>
  (spec: string, summary: string): Leaf =>
    new Leaf(parent, world, spec, summary);

export function integer(text: string): number {
  if (!/^-?\d+$/.test(text) || !Number.isSafeInteger(Number(text)))
    throw new InvalidArgumentError('It should be a whole number.');
  return Number(text);
}

/** How many: none makes no sense. */
export function count(text: string): number {
  const value = integer(text);
  if (value < 1) throw new InvalidArgumentError('It should be at least 1.');
  return value;
}

/** How long: 0 is no limit. */
export function seconds(text: string): number {
  const value = integer(text);
  if (value < 0) throw new InvalidArgumentError('It should be 0 or more.');
  return value;
}

export function decimal(text: string): number {
  const value = text.trim() === '' ? Number.NaN : Number(text);
  if (!Number.isFinite(value)) throw new InvalidArgumentError('It should be a number.');
  return value;
}

/** An id given as an argument. */
export function idOf(text: string): number {
  if (!/^\d+$/.test(text)) throw new CliError(`An id is a whole number: ${text}`, EXIT.usage);
  return Number(text);
}

/** What completion offers for a switch. */
export const ON_OFF = ['on', 'off'];

/** Words like yes and off. */
export function onOff(text: string): boolean {
  if (/^(true|on|yes|1)$/i.test(text)) return true;
  if (/^(false|off|no|0)$/i.test(text)) return false;
  throw new CliError(`It should be on or off: ${text}`, EXIT.usage);
}

/** Collects an option that may be given many times, or as a comma list. */
export const collect = (text: string, before: unknown): string[] => [
  ...((before as string[] | undefined) ?? []),
  ...text
    .split(',')
    .map((word) => word.trim())
    .filter(Boolean),
];

export { CommanderError };
