/** `cl-server plugins new`: writes a plugin to begin with into the plugin folder. */
import fs from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { alreadyExists, messageOf } from '@cl-server/kit';
import { StartupError } from '@cl-server/service-kit';
import { defaultDataDir } from '../../data-folder.js';
import type { Environment } from '../../platform/tools.js';
import { packTaskKit } from './pack-task-kit.js';

const USAGE = `cl-server plugins new <name>: writes a plugin with one task, a test and a README

  --typescript           TypeScript instead of JavaScript (needs Node 22.18 or newer)
  --into <folder>        the folder in which the plugin's own folder is made (default: plugins in the data folder)
  --data-dir <folder>    folder of all data (env CL_SERVER_DIR)
`;

const options = {
  typescript: { type: 'boolean' },
  into: { type: 'string' },
  'data-dir': { type: 'string' },
  help: { type: 'boolean', short: 'h' },
} as const;

const wrongUsage = (what: string): StartupError => new StartupError(`${what}\n\n${USAGE.trimEnd()}`, 2);

function readArguments(argv: readonly string[]) {
  try {
    return parseArgs({ args: [...argv], options, allowPositionals: true });
  } catch (error) {
    throw wrongUsage(messageOf(error));
  }
}

/** The names of a plugin in the places where the template has its own. */
function namesOf(name: string): readonly (readonly [string, string])[] {
  const words = name.split(/[-_]/);
  const camel = words.map((word, index) => (index === 0 ? word : word[0]?.toUpperCase() + word.slice(1))).join('');
  return [
    ['word-count', words.join('-')],
    ['word_count', words.join('_')],
    ['wordCount', camel],
  ];
}

function copyTemplate(from: string, to: string, names: ReturnType<typeof namesOf>): void {
  const renamed = (text: string): string => names.reduce((all, [old, now]) => all.replaceAll(old, now), text);
  for (const entry of fs.readdirSync(from, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const file = path.join(entry.parentPath, entry.name);
    const target = path.join(to, renamed(path.relative(from, file)));
    fs.mkdirSync(path.dirname(target), { recursive: true });
    fs.writeFileSync(target, renamed(fs.readFileSync(file, 'utf8')));
  }
}

/** @throws StartupError for invalid arguments, or if the folder exists */
export async function newPlugin(
  argv: readonly string[],
  env: Environment,
  print: (text: string) => void,
): Promise<undefined> {
  const { values, positionals } = readArguments(argv);
  if (values.help) {
    print(USAGE);
    return undefined;
  }
  const [name, ...more] = positionals;
  if (name === undefined || more.length > 0) throw wrongUsage('give one name for the plugin');
  if (name.length > 64 || !/^[a-z][a-z0-9]*(?:[-_][a-z0-9]+)*$/.test(name))
    throw wrongUsage(`"${name}" is not a name for a plugin: use lower-case letters, digits and "-", as in blur-faces`);
  const dataDir = values['data-dir'] ?? env['CL_SERVER_DIR'] ?? defaultDataDir();
  const names = namesOf(name);
  const folder = path.resolve(values.into ?? path.join(dataDir, 'plugins'), names[0]?.[1] ?? name);
  fs.mkdirSync(path.dirname(folder), { recursive: true, mode: 0o750 });
  try {
    fs.mkdirSync(folder, { mode: 0o750 });
  } catch (error) {
    if (alreadyExists(error)) throw new StartupError(`${folder} exists already: choose another name or remove it`);
    throw error;
  }
  const template = values.typescript ? 'typescript' : 'javascript';
  copyTemplate(path.resolve(import.meta.dirname, '../../../templates', template), folder, names);
  await packTaskKit(path.join(folder, 'vendor/cl-server-task-kit.tgz'));
  print(
    `Created the plugin in ${folder}\n\nIts test:   cd ${folder} && npm install && npm test\nThe server: restart it, or start it with --watch-plugins to load every change at once\n`,
  );
  return undefined;
}
