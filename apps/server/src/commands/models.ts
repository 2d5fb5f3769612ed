import fs from 'node:fs';
import path from 'node:path';
import { MODEL_ROLES, type ModelRole } from '@cl-server/contract';
import { ModelMissing, ModelStore, manifestById } from '@cl-server/models';
import { messageOf, StartupError } from '@cl-server/runtime';
import type { CommandInput } from './command.js';
import { table } from './table.js';

const USAGE = [
  'models                                list them: state, licence, what each serves',
  'models pull [id…]                     fetch these, or all that serve something',
  'models use <role> [id]                serve a role by a known model; without id: by the default',
  'models use <role> <file> <manifest>   serve it by a file of your own, described in JSON',
];
const wrongUsage = (): StartupError => new StartupError(`usage:\n  cl-server ${USAGE.join('\n  cl-server ')}`, 2);

const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`;

async function list(store: ModelStore, print: (text: string) => void): Promise<void> {
  const rows = (await store.list()).map(({ manifest, serves, state }) => [
    manifest.id,
    state,
    serves.join(', '),
    megabytes(manifest.size),
    manifest.license,
  ]);
  print(table(['model', 'state', 'serves', 'size', 'licence'], rows));
}

async function pull(store: ModelStore, ids: readonly string[], print: (text: string) => void): Promise<void> {
  const wanted =
    ids.length > 0
      ? ids.map((id) => manifestById(id) ?? id)
      : (await store.list())
          .filter(({ serves, manifest }) => serves.length > 0 || manifest.role === 'tokenizer')
          .map(({ manifest }) => manifest);
  const faults: string[] = [];
  for (const manifest of wanted) {
    if (typeof manifest === 'string') {
      faults.push(`there is no model ${manifest}; "cl-server models" lists them`);
      continue;
    }
    print(`${manifest.id}: ${megabytes(manifest.size)}, ${manifest.license} …\n`);
    try {
      await store.pull(manifest);
      print(`${manifest.id}: verified\n`);
    } catch (error) {
      if (!(error instanceof ModelMissing)) throw error;
      faults.push(error.message);
    }
  }
  if (faults.length > 0) throw new StartupError(faults.map((fault) => `cl-server: ${fault}`).join('\n'));
}

function readManifest(file: string): Record<string, unknown> {
  const parsed: unknown = JSON.parse(fs.readFileSync(file, 'utf8'));
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed))
    throw new Error(`${file} holds no object`);
  return parsed as Record<string, unknown>;
}

async function use(store: ModelStore, args: readonly string[], print: (text: string) => void): Promise<void> {
  const [role, model, manifestFile, ...rest] = args;
  if (role === undefined || rest.length > 0) throw wrongUsage();
  if (!(MODEL_ROLES as readonly string[]).includes(role))
    throw new StartupError(`there is no role ${role}; there are ${MODEL_ROLES.join(', ')}`, 2);
  const chosen =
    model !== undefined && manifestFile !== undefined
      ? await store.use(role as ModelRole, model, readManifest(manifestFile))
      : await store.useKnown(role as ModelRole, model);
  print(`${role} is served by ${chosen.id}; workers take it up when they are started again\n`);
}

/** Models: which there are, fetching them, and which serves what. */
export async function models({ args, env, dataDir, print }: CommandInput): Promise<undefined> {
  const [action = 'list', ...rest] = args;
  const store = new ModelStore({
    dir: env['MODELS_DIR'] || path.join(dataDir, 'models'),
    mirror: env['MODELS_MIRROR'],
  });
  try {
    if (action === 'list' && rest.length === 0) await list(store, print);
    else if (action === 'pull') await pull(store, rest, print);
    else if (action === 'use') await use(store, rest, print);
    else throw wrongUsage();
  } catch (error) {
    throw error instanceof StartupError ? error : new StartupError(messageOf(error), 1, { cause: error });
  }
  return undefined;
}
