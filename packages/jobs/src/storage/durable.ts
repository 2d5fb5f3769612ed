/** Writing so that it is still there after a power cut. */
import fs from 'node:fs';
import fsp from 'node:fs/promises';
import path from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { DigestStream, digestFile, errorCode } from '@cl-server/kit';

const CHUNK = 1 << 20;

export interface Written {
  readonly size: number;
  /** SHA-256, hex. */
  readonly hash: string;
}

/** Writes a new file and digests it on the way. Memory use does not depend on the size. */
export async function writeHashed(source: Readable | Uint8Array, file: string): Promise<Written> {
  const digesting = new DigestStream(['sha256']);
  const input = source instanceof Uint8Array ? Readable.from([source], { objectMode: false }) : source;
  await pipeline(input, digesting, fs.createWriteStream(file, { flags: 'wx', mode: 0o640, highWaterMark: CHUNK }));
  return { size: digesting.size, hash: digesting.digests().sha256 };
}

export async function hashFile(file: string): Promise<Written> {
  const { size, sha256 } = await digestFile(file, ['sha256']);
  return { size, hash: sha256 };
}

/** Codes of a system call that makes a hard link, where there can be none. */
const NO_LINK: ReadonlySet<unknown> = new Set(['EXDEV', 'EPERM', 'EMLINK', 'ENOSYS', 'ENOTSUP', 'EOPNOTSUPP']);

/**
 * Gives a file a second name and makes it read-only, so that no task changes it for another job by accident.
 * @returns undefined where the file system has no links, or has too many of this file
 * @throws Error with the code `ELOOP` for a symbolic link
 */
export async function linkReadOnly(source: string, target: string, sha256?: string): Promise<Written | undefined> {
  try {
    await fsp.link(source, target);
  } catch (error) {
    if (NO_LINK.has(errorCode(error))) return undefined;
    throw error;
  }
  try {
    const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = fs.constants;
    await using handle = await fsp.open(target, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
    await handle.chmod(0o440);
    return sha256 === undefined ? await hashFile(target) : { size: (await handle.stat()).size, hash: sha256 };
  } catch (error) {
    await fsp.rm(target, { force: true });
    throw error;
  }
}

/** Bytes of all files below that count; what vanishes meanwhile counts nothing. */
export async function treeSize(folder: string, counts: (file: fs.Stats) => boolean): Promise<number> {
  const entries = await fsp.readdir(folder, { withFileTypes: true, recursive: true }).catch(() => []);
  let size = 0;
  for (const entry of entries) {
    if (!entry.isFile()) continue;
    const stat = await fsp.lstat(path.join(entry.parentPath, entry.name)).catch(() => undefined);
    if (stat && counts(stat)) size += stat.size;
  }
  return size;
}
