import fs from 'node:fs';
import type { ModelManifest, ModelRole } from '@cl-server/contract';
import { errorCode, messageOf } from '@cl-server/kit';
import { manifestById } from '@cl-server/models';
import { StartupError } from '@cl-server/service-kit';
import { parse } from 'yaml';
import { wrongUsage } from './arguments.js';
import { jsonText, type ModelsInput, roleOf } from './command.js';

/** JSON is YAML, too. @throws StartupError */
function readManifest(file: string): Record<string, unknown> {
  let read: unknown;
  try {
    read = parse(fs.readFileSync(file, 'utf8'));
  } catch (error) {
    const code = errorCode(error) ?? '';
    if (code === 'EISDIR') throw new StartupError(`${file} is a folder: name the manifest in it`);
    const why = code === 'ENOENT' ? 'is it there?' : messageOf(error).split('\n')[0];
    throw new StartupError(`${file} cannot be read: ${why}`);
  }
  if (typeof read !== 'object' || read === null || Array.isArray(read))
    throw new StartupError(`${file} is no manifest: it must hold "key: value" lines`);
  return read as Record<string, unknown>;
}

/** @throws StartupError for what is no model of the catalogue for this role */
function assertKnown(role: ModelRole, word: string): void {
  const known = manifestById(word);
  if (!known)
    throw new StartupError(
      `there is no model ${word}; "cl-server models" lists them, and a file of your own needs --manifest`,
      2,
    );
  if (known.role !== role) throw new StartupError(`model ${word} is one for ${known.role}, it cannot serve ${role}`, 2);
}

async function choose({ store, args, interrupted }: ModelsInput): Promise<ModelManifest> {
  const [word, model, ...more] = args.words;
  if (word === undefined || more.length > 0) throw wrongUsage('models use needs a role and what is to serve it');
  const role = roleOf(word);
  if (args.byDefault) {
    if (model !== undefined || args.manifest !== undefined || args.tokenizer !== undefined)
      throw wrongUsage('--default stands instead of a model, alone');
    return store.useKnown(role);
  }
  if (model === undefined) throw wrongUsage(`name the model that is to serve ${role}, or --default`);
  if (args.manifest === undefined) {
    if (fs.existsSync(model)) throw wrongUsage('a file of your own needs --manifest, which says how to feed it');
    if (args.tokenizer !== undefined) throw wrongUsage('--tokenizer goes with a file of your own and its --manifest');
    assertKnown(role, model);
    return store.useKnown(role, model, { signal: interrupted });
  }
  if (args.tokenizer !== undefined && role !== 'clip_text') throw wrongUsage('--tokenizer goes with clip_text alone');
  return store.use(role, model, readManifest(args.manifest), { tokenizer: args.tokenizer });
}

/** Running workers take it up with their next job. */
export async function use(input: ModelsInput): Promise<void> {
  const { id, version, license, dimension } = await choose(input);
  const role = input.args.words[0];
  input.print(
    input.args.json
      ? jsonText({ role, id, version, license, dimension: dimension ?? null })
      : `${role} is served by ${id} (version ${version}, licence ${license}) from the next job on\n`,
  );
}
