import type { Command } from 'commander';
import type { World } from './world.js';

interface CommandModule {
  /** Adds the commands of the module. */
  register(program: Command, world: World): void;
}

interface CommandGroup {
  /** The heading under which help lists the commands. */
  readonly heading: string;
  readonly words: readonly string[];
  readonly load: () => Promise<CommandModule>;
}

const LIBRARY = 'Your library:';
const ANALYSIS = 'Search and analysis:';
const TASKS = 'Tasks and jobs:';
const SERVER = 'Server and login:';

/** The modules by the first words of their commands, in the order of the help. Only the module that is needed is loaded. */
const MODULES: readonly CommandGroup[] = [
  { heading: LIBRARY, words: ['store'], load: () => import('./commands/store.js') },
  {
    heading: ANALYSIS,
    words: ['search', 'similar', 'duplicates', 'entity', 'faces', 'images'],
    load: () => import('./commands/insight.js'),
  },
  { heading: ANALYSIS, words: ['persons'], load: () => import('./commands/persons.js') },
  {
    heading: TASKS,
    words: [
      'clip-embedding',
      'clip-text',
      'dino-embedding',
      'exif',
      'face-detection',
      'face-embedding',
      'hash',
      'hls-streaming',
      'image-conversion',
      'media-thumbnail',
    ],
    load: () => import('./commands/task.js'),
  },
  { heading: TASKS, words: ['compute', 'tasks', 'run', 'batch'], load: () => import('./commands/run.js') },
  { heading: TASKS, words: ['jobs', 'download'], load: () => import('./commands/jobs.js') },
  { heading: TASKS, words: ['workers'], load: () => import('./commands/workers.js') },
  { heading: TASKS, words: ['events'], load: () => import('./commands/events.js') },
  {
    heading: SERVER,
    words: ['login', 'logout', 'whoami', 'token', 'password'],
    load: () => import('./commands/login.js'),
  },
  { heading: SERVER, words: ['config', 'doctor', 'completion'], load: () => import('./commands/setup.js') },
  { heading: SERVER, words: ['session'], load: () => import('./commands/session.js') },
  { heading: SERVER, words: ['user'], load: () => import('./commands/user.js') },
  { heading: SERVER, words: ['admin'], load: () => import('./commands/admin.js') },
];

/** The options of the program that take a value; that value is not the name of a command. */
const VALUED = new Set([
  '--profile',
  '--server',
  '--auth-url',
  '--store-url',
  '--compute-url',
  '--mqtt-url',
  '--token',
  '--username',
  '--password',
  '--transport',
]);

/** The first word that is neither an option nor the value of an option. */
function firstWord(args: readonly string[]): string | undefined {
  for (let i = 0; i < args.length; i++) {
    const word = args[i] as string;
    if (VALUED.has(word)) i += 1;
    else if (!word.startsWith('-')) return word;
  }
  return undefined;
}

/** Adds the commands that the command line can refer to: those of one module, or all if it names no command. */
export async function registerCommands(program: Command, world: World, args: readonly string[]): Promise<void> {
  const first = firstWord(args);
  const module = MODULES.find(({ words }) => first !== undefined && words.includes(first));
  // A completion script lists every command.
  const listsAll = first === 'completion' && !args.includes('--values');
  const wanted = module && !listsAll ? [module] : MODULES;
  const loaded = await Promise.all(wanted.map(async ({ heading, load }) => ({ heading, ...(await load()) })));
  for (const { heading, register } of loaded) {
    register(program, world);
    for (const command of program.commands) if (!command.helpGroup()) command.helpGroup(heading);
  }
}

/** Adds all commands. */
export const registerAll = (program: Command, world: World): Promise<void> => registerCommands(program, world, []);
