import fs from 'node:fs';
import type { ModelManifest, ModelRole } from '@cl-server/contract';
import { errorCode, messageOf } from '@cl-server/kit';
import { manifestById } from '@cl-server/models';
import { StartupError } from '@cl-server/service-kit';
import { parse } from 'yaml';
import { wrongUsage } from './arguments.js';
import { jsonText, type ModelsInput, roleOf } from './command.js';

/** Reads a manifest in YAML, which includes JSON. @throws StartupError */
function readManifest(file: string): Record<string, unknown> {
  let read: unknown;
  try {
    read = parse(fs.readFileSync(file, 'utf8'));
  } catch (error) {
    const code = errorCode(error) ?? '';
    if (code === 'EISDIR') throw new StartupError(`${file} is a folder: give the manifest in it`);
    const why = code === 'ENOENT' ? 'the file does not exist' : messageOf(error).split('\n')[0];
    throw new StartupError(`${file} cannot be read: ${why}`);
  }
  if (typeof read !== 'object' || read === null || Array.isArray(read))
    throw new StartupError(`${file} is not a manifest: it must contain "key: value" lines`);
  return read as Record<string, unknown>;
}

/** @throws StartupError if the word does not name a known model for this role */
function assertKnown(role: ModelRole, word: string): void {
  const known = manifestById(word);
  if (!known)
    throw new StartupError(
      `unknown model ${word}; "cl-server models" lists all models, and your own file needs --manifest`,
      2,
    );
  if (known.role !== role) throw new StartupError(`model ${word} is for ${known.role} and cannot serve ${role}`, 2);
}

async function choose({ store, args, interrupted }: ModelsInput): Promise<ModelManifest> {
  const [word, model, ...more] = args.words;
  if (word === undefined || more.length > 0) throw wrongUsage('models use needs a role and a model');
  const role = roleOf(word);
  if (args.byDefault) {
    if (model !== undefined || args.manifest !== undefined || args.tokenizer !== undefined)
      throw wrongUsage('--default replaces the model and cannot be combined with one');
    return store.useKnown(role);
  }
  if (model === undefined) throw wrongUsage(`give the model that should serve ${role}, or --default`);
  if (args.manifest === undefined) {
    if (fs.existsSync(model)) throw wrongUsage('your own file needs --manifest, which describes its input');
    if (args.tokenizer !== undefined) throw wrongUsage('--tokenizer needs your own file and its --manifest');
    assertKnown(role, model);
    return store.useKnown(role, model, { signal: interrupted });
  }
  if (args.tokenizer !== undefined && role !== 'clip_text')
    throw wrongUsage('--tokenizer can be used with clip_text only');
  return store.use(role, model, readManifest(args.manifest), { tokenizer: args.tokenizer });
}

/** Assigns a model to a role. Running workers use it with their next job. */
export async function use(input: ModelsInput): Promise<void> {
  const { id, version, license, dimension } = await choose(input);
  const role = input.args.words[0];
  input.print(
    input.args.json
      ? jsonText({ role, id, version, license, dimension: dimension ?? null })
      : `${role} is served by ${id} (version ${version}, licence ${license}) from the next job on\n`,
  );
}
