/**
 * The key files on disk.
 *
 * | file | |
 * |---|---|
 * | `private_key.pem` | the key that signs; mode 0600 |
 * | `public_key.pem` | its public half, for services that cannot reach the auth service |
 * | `retired_keys/{ms}-{kid}.pem` | public halves of keys that signed until the time in the name |
 *
 * A rotation writes them in the order retired, private, public. If it is interrupted, the next start finds either the
 * complete old pair, or a new private key and an old `public_key.pem` that is also among the retired keys. In the second
 * case the start finishes the rotation.
 */

import fs from 'node:fs/promises';
import path from 'node:path';
import { createFile, messageOf, readIfExists, replaceFile } from '@cl-server/kit';
import { StartupError } from '@cl-server/service-kit';
import {
  generatePrivatePem,
  type PublicKeyForms,
  parsePrivateKey,
  parsePublicKey,
  type SigningKey,
} from './key-pair.js';

export interface KeyPaths {
  readonly privateKey: string;
  readonly publicKey: string;
  readonly retired: string;
}

export const keyPaths = (
  dataDir: string,
  given: { readonly privateKeyPath?: string | undefined; readonly publicKeyPath?: string | undefined } = {},
): KeyPaths => ({
  privateKey: path.resolve(given.privateKeyPath ?? path.join(dataDir, 'private_key.pem')),
  publicKey: path.resolve(given.publicKeyPath ?? path.join(dataDir, 'public_key.pem')),
  retired: path.join(dataDir, 'retired_keys'),
});

export interface RetiredKey extends PublicKeyForms {
  readonly file: string;
  /** Milliseconds. The key signed nothing after this time, except until a running server noticed the rotation. */
  readonly retiredAt: number;
}

export interface StoredKeys {
  readonly signing: SigningKey;
  /** Sorted newest first. */
  readonly retired: readonly RetiredKey[];
}

const PRIVATE_MODE = 0o600;
const PUBLIC_MODE = 0o644;
const RETIRED_NAME = /^(\d+)-[\w-]{43}\.pem$/;

const RESTORE_HINT =
  'Restore it from a backup. Or, to start with new keys and invalidate every token, remove the private and the public key file';

async function parsed<T>(file: string, pem: string, parse: (pem: string) => Promise<T>): Promise<T> {
  try {
    return await parse(pem);
  } catch (error) {
    throw new StartupError(`the key file ${file} is damaged (${messageOf(error)}). ${RESTORE_HINT}`, 1, {
      cause: error,
    });
  }
}

/** Reads the private key, and generates one if neither half of the pair exists. */
async function readOrCreatePrivate({ privateKey, publicKey }: KeyPaths): Promise<SigningKey> {
  let pem = await readIfExists(privateKey);
  if (pem === undefined) {
    if ((await readIfExists(publicKey)) !== undefined)
      throw new StartupError(`the key file ${privateKey} is missing, but ${publicKey} exists. ${RESTORE_HINT}`);
    await fs.mkdir(path.dirname(privateKey), { recursive: true, mode: 0o700 });
    await createFile(privateKey, await generatePrivatePem(), PRIVATE_MODE);
    pem = await fs.readFile(privateKey, 'utf8');
  }
  return parsed(privateKey, pem, parsePrivateKey);
}

async function readRetired(folder: string): Promise<RetiredKey[]> {
  const names = await fs.readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [] as string[];
    throw error;
  });
  const keys: RetiredKey[] = [];
  for (const name of names) {
    const retiredAt = RETIRED_NAME.exec(name)?.[1];
    if (retiredAt === undefined) continue;
    const file = path.join(folder, name);
    const pem = await readIfExists(file);
    if (pem === undefined) continue;
    keys.push({ ...(await parsed(file, pem, parsePublicKey)), file, retiredAt: Number(retiredAt) });
  }
  return keys.sort((a, b) => b.retiredAt - a.retiredAt);
}

/**
 * Writes the public half if it is missing or a rotation was interrupted.
 * @throws StartupError if the file holds another key
 */
async function ensurePublicKey(file: string, { signing, retired }: StoredKeys): Promise<void> {
  const pem = await readIfExists(file);
  if (pem !== undefined) {
    const { kid } = await parsed(file, pem, parsePublicKey);
    if (kid === signing.kid) return;
    if (!retired.some((key) => key.kid === kid))
      throw new StartupError(`the key file ${file} does not belong to the private key. ${RESTORE_HINT}`);
  }
  await fs.mkdir(path.dirname(file), { recursive: true });
  await replaceFile(file, signing.pem, PUBLIC_MODE);
}

/**
 * Reads the keys, and generates a pair if there is none.
 * @throws StartupError if a file is damaged or one half is missing: generating a new key would end every session silently
 */
export async function loadKeys(paths: KeyPaths): Promise<StoredKeys> {
  const signing = await readOrCreatePrivate(paths);
  const retired = (await readRetired(paths.retired)).filter(({ kid }) => kid !== signing.kid);
  const keys = { signing, retired };
  await ensurePublicKey(paths.publicKey, keys);
  return keys;
}

/** Removes other users' permission to read the private key. @returns false if they had it, even if it could not be removed */
export async function securePrivateKey({ privateKey }: KeyPaths): Promise<boolean> {
  const { mode } = await fs.stat(privateKey);
  if ((mode & 0o077) === 0) return true;
  await fs.chmod(privateKey, PRIVATE_MODE).catch(() => undefined);
  return false;
}

/**
 * Retires the current key and generates a new one.
 * @param now milliseconds
 * @returns the id of the new key
 */
export async function rotateKeys(paths: KeyPaths, now: number): Promise<string> {
  const { signing } = await loadKeys(paths);
  await fs.mkdir(paths.retired, { recursive: true, mode: 0o750 });
  await replaceFile(path.join(paths.retired, `${now}-${signing.kid}.pem`), signing.pem, PUBLIC_MODE);
  const pem = await generatePrivatePem();
  const next = await parsePrivateKey(pem);
  await replaceFile(paths.privateKey, pem, PRIVATE_MODE);
  await replaceFile(paths.publicKey, next.pem, PUBLIC_MODE);
  return next.kid;
}

/** A text that changes when a rotation or a person changes the key files. */
export async function keyFilesState(paths: KeyPaths): Promise<string> {
  const stat = await fs.stat(paths.privateKey).catch(() => undefined);
  const retired = await fs.readdir(paths.retired).catch(() => []);
  return [stat?.ino, stat?.mtimeMs, stat?.size, ...retired.sort()].join(' ');
}
