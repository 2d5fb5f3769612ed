/** What stands after `cl-server models`. */

import path from 'node:path';
import { parseArgs } from 'node:util';
import { messageOf } from '@cl-server/kit';
import { asUrl, dataDirSetting, loadConfig, modelsDirSetting, StartupError } from '@cl-server/service-kit';
import { defaultDataDir } from '../../data-folder.js';
import type { Environment } from '../../platform/tools.js';

export const USAGE = `cl-server models: which models there are, where their files lie, and which serves what

  models [list]                            every model: state, licence, what it serves
  models pull [id or role …] [--all]       fetch these; without names all that serve something
  models verify [id or role …] [--all]     read every byte again and test each model
  models path <id or role>                 print where the file lies
  models use <role> <id>                   let a known model serve the role
  models use <role> <file> --manifest <m>  let a file of your own serve it; m is JSON or YAML
  models use <role> --default              back to the default

  --json                   print JSON
  --tokenizer <file>       with use: the tokenizer.json of a text model that has one of its own
  --data-dir <folder>      folder of all data (env CL_SERVER_DIR)
  --models-dir <folder>    folder of models; default: models in the data folder (env MODELS_DIR)
  --models-mirror <url>    asked first, as <url>/<id>/<file> (env MODELS_MIRROR)
  HTTP_PROXY, HTTPS_PROXY and NO_PROXY are obeyed.
`;

const settings = {
  dataDir: dataDirSetting,
  modelsDir: { ...modelsDirSetting, flag: 'models-dir' },
  modelsMirror: {
    env: 'MODELS_MIRROR',
    flag: 'models-mirror',
    parse: asUrl('http', 'https'),
    help: 'Asked first, as <mirror>/<id>/<file>',
  },
} as const;

const options = {
  json: { type: 'boolean' },
  all: { type: 'boolean' },
  default: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
  manifest: { type: 'string', short: 'm' },
  tokenizer: { type: 'string' },
  'data-dir': { type: 'string' },
  'models-dir': { type: 'string' },
  'models-mirror': { type: 'string' },
} as const;

export interface ModelsArguments {
  readonly action: string;
  readonly words: readonly string[];
  readonly json: boolean;
  readonly all: boolean;
  readonly byDefault: boolean;
  readonly help: boolean;
  readonly manifest: string | undefined;
  readonly tokenizer: string | undefined;
  readonly dir: string;
  readonly mirror: string | undefined;
}

export const wrongUsage = (what: string): StartupError => new StartupError(`${what}\n\n${USAGE.trimEnd()}`, 2);

function parsed(argv: readonly string[]) {
  try {
    return parseArgs({ args: [...argv], options, allowPositionals: true });
  } catch (error) {
    throw wrongUsage(messageOf(error).split('. ')[0] ?? '');
  }
}

/** Options that only some commands have. */
const ONLY: Readonly<Record<'all' | 'default' | 'manifest' | 'tokenizer', readonly string[]>> = {
  all: ['pull', 'verify'],
  default: ['use'],
  manifest: ['use'],
  tokenizer: ['use'],
};

/** What is given and would be ignored is a mistake. @throws StartupError */
function refuseStray(action: string, words: readonly string[], values: Readonly<Record<string, unknown>>): void {
  for (const [name, actions] of Object.entries(ONLY))
    if (values[name] !== undefined && !actions.includes(action))
      throw wrongUsage(`--${name} goes with models ${actions.join(' and models ')}, not with models ${action}`);
  if (action === 'list' && words.length > 0) throw wrongUsage('models list takes no names: it lists every model');
  if (values['all'] !== undefined && words.length > 0) throw wrongUsage('give names or --all, not both');
}

/** @throws StartupError with exit code 2 for wrong usage */
export function readArguments(argv: readonly string[], env: Environment): ModelsArguments {
  const { values, positionals } = parsed(argv);
  const flags = (['data-dir', 'models-dir', 'models-mirror'] as const).flatMap((name) => {
    const value = values[name];
    return value === undefined ? [] : [`--${name}=${value}`];
  });
  const { values: config } = loadConfig({
    program: 'cl-server models',
    description: '',
    settings,
    configFolder: defaultDataDir(),
    argv: flags,
    env,
  });
  const [action = 'list', ...words] = positionals;
  if (!values.help) refuseStray(action, words, values);
  return {
    action,
    words,
    json: values.json ?? false,
    all: values.all ?? false,
    byDefault: values.default ?? false,
    help: values.help ?? false,
    manifest: values.manifest,
    tokenizer: values.tokenizer,
    dir: path.resolve(config.modelsDir ?? path.join(config.dataDir ?? defaultDataDir(), 'models')),
    mirror: config.modelsMirror,
  };
}
