/** Completes a user's manifest with measured values, or refuses it with advice. */
import fsp from 'node:fs/promises';
import path from 'node:path';
import { givenManifest, type ModelManifest, type ModelRole } from '@cl-server/contract';
import { CATALOGUE } from './catalogue.js';
import type { VerifiedHashes } from './verify.js';

/** The kind of input of the model of each role. */
const KINDS: Readonly<Record<ModelRole, NonNullable<ModelManifest['preprocessing']>['kind']>> = {
  clip_image: 'image',
  clip_text: 'text',
  dino_image: 'image',
  face_detection: 'yunet',
  face_embedding: 'image',
};

type Issue = NonNullable<ReturnType<typeof givenManifest.safeParse>['error']>['issues'][number];

function faultOf(issue: Issue): string {
  const at = issue.path.map(String).join('.');
  if (issue.code === 'unrecognized_keys') {
    const keys = issue.keys.map((key) => (at ? `${at}.${key}` : key)).join(', ');
    return `  ${keys}: no such key is known; is it misspelled?`;
  }
  if (issue.code === 'invalid_type' && issue.message.endsWith('received undefined')) return `  ${at}: it is missing`;
  // YAML reads 1 and true as values that are not texts.
  const unquoted = issue.code === 'invalid_type' && issue.expected === 'string' && /number|boolean/.test(issue.message);
  return `  ${at || 'all'}: ${unquoted ? 'it must be a text: put it in quotes' : issue.message}`;
}

/** Size of the model file. @throws Error if the file cannot be a model */
async function sizeOf(file: string): Promise<number> {
  const stat = await fsp.stat(file).catch((cause: unknown) => {
    throw new Error(`${file} cannot be read: is it there?`, { cause });
  });
  if (stat.isDirectory()) throw new Error(`${file} is a folder: name the model file inside it`);
  if (stat.size === 0) throw new Error(`${file} is empty: copy it there again`);
  return stat.size;
}

/** @throws Error if a text model would have no tokenizer */
function assertTokenizer({ preprocessing }: ModelManifest, own: boolean): void {
  if (preprocessing?.kind !== 'text' || own) return;
  const known = CATALOGUE.filter(({ role }) => role === 'tokenizer').map(({ id }) => id);
  if (!known.includes(preprocessing.tokenizer))
    throw new Error(
      `preprocessing.tokenizer: ${preprocessing.tokenizer} is not known (${known.join(', ')} is): give the model's own ` +
        'tokenizer.json with --tokenizer',
    );
}

/** @throws Error that describes the fault of the manifest or of the file */
export async function completeManifest(
  role: ModelRole,
  file: string,
  given: Readonly<Record<string, unknown>>,
  hashes: VerifiedHashes,
  ownTokenizer: boolean,
): Promise<ModelManifest> {
  const size = await sizeOf(file);
  const sha256 = await hashes.of(path.resolve(file));
  const name = path.basename(file);
  if (given['file'] === undefined && !/^[\w.-]{1,200}$/.test(name))
    throw new Error(`the file name "${name}" cannot be used: rename it to a name with only letters, digits, . _ and -`);
  const { data: manifest, error } = givenManifest.safeParse({
    file: name,
    size,
    sha256,
    version: '1',
    license: 'not stated',
    source: 'chosen with "models use"',
    ...given,
    role,
  });
  if (!manifest) throw new Error(`the manifest is invalid:\n${error.issues.map(faultOf).join('\n')}`);
  if ((manifest.preprocessing?.kind ?? 'yunet') !== KINDS[role])
    throw new Error(`the manifest is invalid:\n  preprocessing: for ${role} it must be of kind ${KINDS[role]}`);
  assertTokenizer(manifest, ownTokenizer);
  if (manifest.size !== size || manifest.sha256 !== sha256)
    throw new Error(`${manifest.file} is not the file that its manifest names: size or SHA-256 differ`);
  return manifest;
}
