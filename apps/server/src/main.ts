/** The command `cl-server`: reads the settings, then runs one sub-command. */
import path from 'node:path';
import { loadConfig, type RunningProgram, StartupError } from '@cl-server/runtime';
import type { CommandInput } from './commands/command.js';
import { doctor } from './commands/doctor.js';
import { migrate } from './commands/migrate.js';
import { models } from './commands/models/models.js';
import { plugins } from './commands/plugins.js';
import { start } from './commands/start.js';
import { status } from './commands/status.js';
import { defaultDataDir } from './data-folder.js';
import type { Environment } from './platform/tools.js';
import { launcherSettings } from './settings.js';

interface Command {
  readonly summary: string;
  /** A returned program runs on; undefined: the command is done. */
  run(input: CommandInput): Promise<RunningProgram | undefined>;
}

const COMMANDS: Readonly<Record<string, Command>> = {
  start: { summary: 'Start everything (the default)', run: start },
  doctor: { summary: 'Check everything that the platform needs, and say what to do', run: doctor },
  status: { summary: 'Ask a running platform how it is', run: status },
  migrate: { summary: 'Bring all databases to the newest schema', run: migrate },
  plugins: { summary: 'List the tasks, where they come from and which are out of use', run: plugins },
  models: {
    summary: 'List, fetch and verify models, choose which serves what; "models --help" tells more',
    run: ({ args, env, dataDir, print }) => models([...args, '--data-dir', dataDir], env, print),
  },
};

const commandList = (): string =>
  ['Commands:', ...Object.entries(COMMANDS).map(([name, { summary }]) => `  ${name.padEnd(10)}${summary}`), ''].join(
    '\n',
  );

/** @throws StartupError for wrong usage */
export async function main(argv: readonly string[], env: Environment): Promise<RunningProgram | undefined> {
  const print = (text: string): void => {
    process.stdout.write(text);
  };
  // It has options of its own.
  if (argv[0] === 'models') return models(argv.slice(1), env, print);
  const loaded = loadConfig({
    program: 'cl-server',
    description: 'runs the whole platform on one machine',
    settings: launcherSettings,
    configFolder: defaultDataDir(),
    argv,
    env,
  });
  if (loaded.helpWanted) {
    print(`${loaded.help}\n${commandList()}`);
    return undefined;
  }
  const [name = 'start', ...rest] = loaded.positionals;
  const command = COMMANDS[name];
  if (!command || (rest.length > 0 && name !== 'models'))
    throw new StartupError(`unknown command "${loaded.positionals.join(' ')}"\n${commandList().trimEnd()}`, 2);
  const dataDir = path.resolve(loaded.values.dataDir ?? defaultDataDir());
  return command.run({ settings: loaded.values, env, dataDir, args: rest, print });
}
