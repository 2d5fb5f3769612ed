/** Parses the arguments of `cl-server models`. */

import path from 'node:path';
import { parseArgs } from 'node:util';
import { messageOf } from '@cl-server/kit';
import { asUrl, dataDirSetting, loadConfig, modelsDirSetting, StartupError } from '@cl-server/service-kit';
import { defaultDataDir } from '../../data-folder.js';
import type { Environment } from '../../platform/tools.js';

export const USAGE = `cl-server models: list, download, verify and choose models

  models [list]                            list every model: state, licence, role
  models pull [id or role …] [--all]       download models; without names all that serve a role
  models verify [id or role …] [--all]     read every byte again and test each model
  models path <id or role>                 print the path of the file
  models use <role> <id>                   assign a known model to a role
  models use <role> <file> --manifest <m>  assign your own file; the manifest is JSON or YAML
  models use <role> --default              return to the default model

  --json                   print JSON
  --tokenizer <file>       with use: the tokenizer.json of a text model
  --data-dir <folder>      folder of all data (env CL_SERVER_DIR)
  --models-dir <folder>    models folder (env MODELS_DIR; default: in the data folder)
  --models-mirror <url>    server to try first, as <url>/<id>/<file> (env MODELS_MIRROR)
  HTTP_PROXY, HTTPS_PROXY and NO_PROXY are respected.
`;

const settings = {
  dataDir: dataDirSetting,
  modelsDir: { ...modelsDirSetting, flag: 'models-dir' },
  modelsMirror: {
    env: 'MODELS_MIRROR',
    flag: 'models-mirror',
    parse: asUrl('http', 'https'),
    help: 'Server to try first, as <mirror>/<id>/<file>',
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

/** The options that only some commands accept. */
const ONLY: Readonly<Record<'all' | 'default' | 'manifest' | 'tokenizer', readonly string[]>> = {
  all: ['pull', 'verify'],
  default: ['use'],
  manifest: ['use'],
  tokenizer: ['use'],
};

/** Refuses options that the command would ignore. @throws StartupError */
function refuseStray(action: string, words: readonly string[], values: Readonly<Record<string, unknown>>): void {
  for (const [name, actions] of Object.entries(ONLY))
    if (values[name] !== undefined && !actions.includes(action))
      throw wrongUsage(`--${name} can be used with models ${actions.join(' and models ')}, not with models ${action}`);
  if (action === 'list' && words.length > 0) throw wrongUsage('models list accepts no names: it lists every model');
  if (values['all'] !== undefined && words.length > 0) throw wrongUsage('give names or --all, not both');
}

/** @throws StartupError with exit code 2 if the arguments are invalid */
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
