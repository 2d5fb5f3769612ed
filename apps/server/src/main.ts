/** The command `cl-server`: reads the settings, then runs one sub-command. */
import { createRequire } from 'node:module';
import path from 'node:path';
import { loadConfig, type RunningProgram, StartupError, suggestion } from '@cl-server/service-kit/program';
import type { CommandInput } from './commands/command.js';
import { defaultDataDir } from './data-folder.js';
import type { Environment } from './platform/tools.js';
import { launcherSettings } from './settings.js';

/** The settings that tell where the platform is. */
const ADDRESSES = ['dataDir', 'host', 'authPort', 'storePort', 'computePort', 'mqttPort', 'mqttUrl'] as const;

/** Runs the command. A returned program keeps running; undefined means that the command is done. */
type Run = (input: CommandInput) => Promise<RunningProgram | undefined>;

interface Command {
  readonly summary: string;
  /** The settings that the help of the command shows; default: all. Every command accepts all of them. */
  readonly shown?: readonly (keyof typeof launcherSettings)[];
  /** Each command is loaded when it is used, because loading all of them would slow down every start. */
  load(): Promise<Run>;
}

const COMMANDS: Readonly<Record<string, Command>> = {
  start: {
    summary: 'Start everything (the default)',
    load: async () => (await import('./commands/start.js')).start,
  },
  doctor: {
    summary: 'Check all requirements of the platform and say what to do',
    shown: [...ADDRESSES, 'mqttWsPort', 'ffmpegPath', 'ffprobePath'],
    load: async () => (await import('./commands/doctor.js')).doctor,
  },
  status: {
    summary: 'Show the state of the platform that runs on the data folder',
    shown: ADDRESSES,
    load: async () => (await import('./commands/status.js')).status,
  },
  migrate: {
    summary: 'Migrate all databases to the newest schema',
    shown: ['dataDir', 'logLevel'],
    load: async () => (await import('./commands/migrate.js')).migrate,
  },
  plugins: {
    summary: 'List the tasks and what the running server has loaded; "plugins new <name>" writes a new one',
    shown: ['dataDir'],
    load: async () => (await import('./commands/plugins/list.js')).plugins,
  },
  models: {
    summary: 'List, download, verify and choose models (see "models --help")',
    load:
      async () =>
      async ({ args, env, dataDir, print, interrupted }) =>
        (await loadModels())([...args, '--data-dir', dataDir], env, print, interrupted),
  },
};

const loadModels = async () => (await import('./commands/models/models.js')).models;

const commandList = (): string =>
  ['Commands:', ...Object.entries(COMMANDS).map(([name, { summary }]) => `  ${name.padEnd(10)}${summary}`), ''].join(
    '\n',
  );

const version = (): string =>
  (createRequire(import.meta.url)('@cl-server/server/package.json') as { readonly version: string }).version;

/** The help of one command: what it does, and the settings that matter for it. */
function helpOf(name: string, { summary, shown = [] }: Command): string {
  const settings = Object.fromEntries(shown.map((key) => [key, launcherSettings[key]]));
  const { help } = loadConfig({
    program: `cl-server ${name}`,
    description: summary,
    settings,
    argv: ['--help'],
    env: {},
  });
  return help;
}

/** @throws StartupError if the command line is invalid */
export async function main(
  argv: readonly string[],
  env: Environment,
  interrupted: AbortSignal,
): Promise<RunningProgram | undefined> {
  const print = (text: string): void => {
    process.stdout.write(text);
  };
  if (argv[0] === '--version' || argv[0] === '-V') {
    print(`${version()}\n`);
    return undefined;
  }
  // `models` parses its own options.
  if (argv[0] === 'models') return (await loadModels())(argv.slice(1), env, print, interrupted);
  if (argv[0] === 'plugins' && argv[1] === 'new')
    return (await import('./commands/plugins/new.js')).newPlugin(argv.slice(2), env, print);
  const loaded = loadConfig({
    program: 'cl-server',
    description: 'Runs the whole platform on one machine.',
    settings: launcherSettings,
    configFolder: defaultDataDir(),
    argv,
    env,
  });
  const [name = 'start', ...rest] = loaded.positionals;
  const command = COMMANDS[name];
  if (loaded.helpWanted) {
    print(command?.shown ? helpOf(name, command) : `${loaded.help}\n${commandList()}`);
    return undefined;
  }
  if (!command)
    throw new StartupError(
      `unknown command "${name}"${suggestion(name, Object.keys(COMMANDS))}\n${commandList().trimEnd()}`,
      2,
    );
  if (rest.length > 0 && name !== 'models')
    throw new StartupError(`${name} takes no argument "${rest.join(' ')}"; see cl-server ${name} --help`, 2);
  const dataDir = path.resolve(loaded.values.dataDir ?? defaultDataDir());
  const run = await command.load();
  return run({ settings: loaded.values, env, dataDir, args: rest, print, interrupted });
}
