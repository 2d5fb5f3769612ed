import type { Command } from 'commander';
import type { World } from './world.js';

interface CommandModule {
  /** Adds the commands of the module. */
  register(program: Command, world: World): void;
}

/** The modules by the first words of their commands. Only the module that is needed is loaded. */
const MODULES: readonly { readonly words: readonly string[]; readonly load: () => Promise<CommandModule> }[] = [
  { words: ['login', 'logout', 'whoami', 'token', 'password'], load: () => import('./commands/login.js') },
  { words: ['user'], load: () => import('./commands/user.js') },
  {
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
  { words: ['compute', 'tasks', 'run', 'batch'], load: () => import('./commands/run.js') },
  { words: ['store'], load: () => import('./commands/store.js') },
  { words: ['jobs', 'download'], load: () => import('./commands/jobs.js') },
  { words: ['workers'], load: () => import('./commands/workers.js') },
  {
    words: ['search', 'similar', 'duplicates', 'entity', 'faces', 'images'],
    load: () => import('./commands/insight.js'),
  },
  { words: ['persons'], load: () => import('./commands/persons.js') },
  { words: ['admin'], load: () => import('./commands/admin.js') },
  { words: ['events'], load: () => import('./commands/events.js') },
  { words: ['config', 'doctor', 'completion'], load: () => import('./commands/setup.js') },
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
  const wanted = module && first !== 'completion' ? [module] : MODULES;
  for (const { register } of await Promise.all(wanted.map(({ load }) => load()))) register(program, world);
}

/** Adds all commands. */
export const registerAll = (program: Command, world: World): Promise<void> => registerCommands(program, world, []);
