/** The building blocks of commands: the program with its general options, groups, and commands that run something. */
import { printable } from '@cl-server/contract/printable';
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import type { ArgumentsOf, OptionOf } from './command-types.js';
import { Context } from './context.js';
import { CliError, EXIT } from './exit-codes.js';
import { mayWrite } from './files/destination.js';
import { SavedOutput } from './io/saved-output.js';
import type { GlobalOptions, World } from './world.js';

/** Adds the options that every command accepts. Only the help of the program shows them. */
function addGlobals(command: Command, hidden: boolean): Command {
  const option = (flags: string, text: string): Option => new Option(flags, text).hideHelp(hidden);
  return command
    .addOption(option('--json', 'print data as JSON'))
    .addOption(option('--ndjson', 'print data as JSON, one object per line'))
    .addOption(option('--quiet', 'print ids only'))
    .addOption(option('--debug', 'log every request and show stack traces'))
    .addOption(option('--profile <name>', 'profile with saved addresses and login (CL_PROFILE)'))
    .addOption(option('--server <url>', 'address of the server, which tells the others (CL_SERVER)'))
    .addOption(option('--auth-url <url>', 'address of the auth service (AUTH_URL)'))
    .addOption(option('--store-url <url>', 'address of the store service (STORE_URL)'))
    .addOption(option('--compute-url <url>', 'address of the compute service (COMPUTE_URL)'))
    .addOption(option('--mqtt-url <url>', 'address of the MQTT broker, or "none" (MQTT_URL)'))
    .addOption(option('--token <token>', 'use this token instead of a login (CL_TOKEN)'))
    .addOption(option('--transport <way>', 'how to wait for jobs to finish').choices(['mqtt', 'sse', 'poll']));
}

/** An option whose value is stored under another name than its flag, because some commands use that flag themselves. */
function renamed(flags: string, text: string, name: string): Option {
  const option = new Option(flags, text);
  option.attributeName = () => name;
  return option;
}

/** Adds the options that select the caller. They stand before the command; after it `--password` may be another user's. */
const addLogin = (program: Command): Command =>
  program
    .addOption(renamed('--username <name>', 'log in for this command only (CL_USERNAME)', 'loginUsername'))
    .addOption(
      renamed(
        '--password <password>',
        'password; visible to other users of this machine (CL_PASSWORD)',
        'loginPassword',
      ),
    )
    .addOption(renamed('--no-auth', 'send no login with this command', 'sendLogin'));

export const createProgram = (version: string, world: World): Command =>
  addLogin(addGlobals(new Command('cl-client'), false))
    .description('Command line client of CL Server')
    .version(version)
    .exitOverride()
    // A command may have its own `--version` option.
    .enablePositionalOptions()
    .configureHelp({
      minWidthToWrap: 20,
      subcommandTerm: (command) => [calledAs(command), ...argumentsOf(command)].join(' '),
    })
    // `cl-client help store upload` is rewritten to `store upload --help` before it is parsed.
    .helpCommand(false)
    .helpOption('-h, --help', 'show help')
    .configureOutput({
      writeOut: (text) => world.stdout.write(text),
      writeErr: (text) => world.stderr.write(printable(text)),
      getOutHelpWidth: () => Math.min(world.stdout.columns ?? HELP_WIDTH, MAX_HELP_WIDTH),
      getErrHelpWidth: () => HELP_WIDTH,
    })
    .showHelpAfterError('(run cl-client --help for help)')
    .addHelpText('after', HELP_OF_PROGRAM);

/** The width of help texts that no terminal shows, and the largest one, because long lines are hard to read. */
const HELP_WIDTH = 80;
const MAX_HELP_WIDTH = 100;

const HELP_OF_PROGRAM = `
Run cl-client help <command> for the options of a command, for example
cl-client help store upload. All commands accept the options above.`;

/** The name of a command as a list of commands shows it: `update|patch`. */
const calledAs = (command: Command): string => [command.name(), ...command.aliases()].join('|');

const argumentsOf = ({ registeredArguments }: Command): string[] =>
  registeredArguments.map((argument) => {
    const name = argument.name() + (argument.variadic ? '...' : '');
    return argument.required ? `<${name}>` : `[${name}]`;
  });

/** The words by which a command is called: `cl-client store upload`. */
function calledBy(command: Command): string {
  const names: string[] = [];
  for (let at: Command | null = command; at; at = at.parent) names.unshift(at.name());
  return names.join(' ');
}

/** Makes the hint after an error name the command at hand. */
function hinting(command: Command): Command {
  return command.showHelpAfterError(`(run ${calledBy(command)} --help for help)`).helpOption('-h, --help', 'show help');
}

/** Adds a command that only contains other commands, or returns it if it exists. */
export function group(parent: Command, name: string, summary: string): Command {
  const found = parent.commands.find((command) => command.name() === name);
  if (found) return found;
  const command = hinting(addGlobals(parent.command(name).description(summary).helpCommand(false), true));
  return command.addHelpText('after', `\nRun ${calledBy(command)} <command> --help for its options.`);
}

/** Leaves a command out of help and completion. Commander has an option for that only when it makes the command. */
export function hide(command: Command): Command {
  (command as Command & { _hidden: boolean })._hidden = true;
  return command;
}

/** Options as commander provides them, by their camel-case names. */
export type Options<T> = T & GlobalOptions;

/** The function that a command runs. It gets the context, the arguments in order, and the options. */
type Action<Args extends readonly unknown[], T> = (context: Context, ...rest: [...Args, Options<T>]) => Promise<void>;

/**
 * A command that runs something.
 * @param spec the name and the arguments: `get <id>`
 */
export class Leaf<Args extends readonly unknown[] = readonly unknown[], T extends object = object> {
  readonly command: Command;
  readonly #world: World;
  #saveable = false;

  constructor(parent: Command, world: World, spec: string, summary: string) {
    this.#world = world;
    this.command = hinting(addGlobals(parent.command(spec).description(summary), true));
    this.command.addHelpText('after', '\nOptions of all commands: cl-client --help');
  }

  option<const Flags extends string, Value = string>(
    flags: Flags,
    text: string,
    parse?: (value: string, before: unknown) => Value,
  ): Leaf<Args, T & OptionOf<Flags, Value>> {
    if (parse) this.command.option(flags, text, parse);
    else this.command.option(flags, text);
    return this.#typed();
  }

  choice<const Flags extends string, const Word extends string>(
    flags: Flags,
    text: string,
    words: readonly Word[],
  ): Leaf<Args, T & OptionOf<Flags, Word>> {
    this.command.addOption(new Option(flags, text).choices(words));
    return this.#typed();
  }

  /** The same command, whose type knows one option more: commander has just received it. */
  #typed<More extends object>(): Leaf<Args, T & More> {
    return this as unknown as Leaf<Args, T & More>;
  }

  /** Accepts a former name of an option, which help and completion do not show. @param name the option that gets the value */
  deprecatedOption(flags: string, name: string, parse?: (value: string, before: unknown) => unknown): this {
    const option = renamed(flags, '', name).hideHelp();
    if (parse) option.argParser(parse);
    this.command.addOption(option);
    return this;
  }

  /** Adds `-o`, which saves what the command prints in a file, as JSON. */
  saveable() {
    this.#saveable = true;
    return this.option('-o, --output <file>', 'save as JSON in this file').option(
      '--overwrite',
      'replace the file if it exists',
    );
  }

  /** Sets the words that help and completion offer for the first argument. */
  suggest(words: readonly string[]): this {
    const [first] = this.command.registeredArguments;
    if (first) first.argChoices = [...words];
    return this;
  }

  /** Leaves the command out of help and completion: it is a former name that still works. */
  deprecated(): this {
    hide(this.command);
    return this;
  }

  alias(name: string): this {
    this.command.alias(name);
    return this;
  }

  run(action: Action<Args, T>): this {
    this.command.action(async (...given: unknown[]) => {
      const own = given.at(-1) as Command;
      const options = own.optsWithGlobals<Options<T> & { readonly output?: string; readonly overwrite?: boolean }>();
      const file = this.#saveable ? options.output : undefined;
      if (file !== undefined) await mayWrite(new Context(this.#world, options), file, options);
      const saved = new SavedOutput();
      const context =
        file === undefined
          ? new Context(this.#world, options)
          : new Context({ ...this.#world, stdout: saved.stream }, { ...options, json: true });
      const args = given.slice(0, -2) as unknown as Args;
      try {
        await action(context, ...args, options);
        if (file !== undefined) await saved.save(file);
      } catch (error) {
        const known = await context.explained(error);
        // The error of the SDK has what programs and `--debug` want to know: the status and the id of the request.
        if (known !== error && known instanceof Error) known.cause ??= error;
        throw known;
      } finally {
        await context.close();
      }
    });
    return this;
  }
}

/** Returns a function that adds commands to one parent. */
export const leafMaker =
  (parent: Command, world: World) =>
  <const Spec extends string>(spec: Spec, summary: string): Leaf<ArgumentsOf<Spec>> =>
    new Leaf(parent, world, spec, summary);

export function integer(text: string): number {
  if (!/^-?\d+$/.test(text) || !Number.isSafeInteger(Number(text)))
    throw new InvalidArgumentError('It should be a whole number.');
  return Number(text);
}

/** Parses a number of items, at least 1. */
export function count(text: string): number {
  const value = integer(text);
  if (value < 1) throw new InvalidArgumentError('It should be at least 1.');
  return value;
}

export function decimal(text: string): number {
  const value = text.trim() === '' ? Number.NaN : Number(text);
  if (!Number.isFinite(value)) throw new InvalidArgumentError('It should be a number.');
  return value;
}

/** Parses an id that is given as an argument. */
export function idOf(text: string): number {
  if (!/^\d+$/.test(text)) throw new CliError(`Invalid id ${text}: an id is a whole number`, EXIT.usage);
  return Number(text);
}

/** The words that completion offers for a switch. */
export const ON_OFF = ['on', 'off'];

/** Parses a switch; accepts on and off, yes and no, true and false, 1 and 0. */
export function onOff(text: string): boolean {
  if (/^(true|on|yes|1)$/i.test(text)) return true;
  if (/^(false|off|no|0)$/i.test(text)) return false;
  throw new CliError(`It should be on or off: ${text}`, EXIT.usage);
}

/** Collects the values of an option that may be repeated or hold a comma-separated list. */
export const collect = (text: string, before: unknown): string[] => [
  ...((before as string[] | undefined) ?? []),
  ...text
    .split(',')
    .map((word) => word.trim())
    .filter(Boolean),
];

export { CommanderError };
