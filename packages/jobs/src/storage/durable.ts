/** Writing so that it is still there after a power cut. */
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import fsp from 'node:fs/promises';
import path from 'node:path';
import { Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';

const CHUNK = 1 << 20;

export interface Written {
  readonly size: number;
  /** SHA-256, hex. */
  readonly hash: string;
}

/** Waits until a file's bytes, or a folder's entries, are on the disk. */
export async function sync(file: string): Promise<void> {
  const handle = await fsp.open(file, fs.constants.O_RDONLY | fs.constants.O_NOFOLLOW | fs.constants.O_NONBLOCK);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Writes a new file, hashing on the way; memory stays constant. */
export async function writeHashed(source: Readable | Uint8Array, file: string): Promise<Written> {
  const sha256 = createHash('sha256');
  let size = 0;
  const hashing = new Transform({
    transform(chunk: Buffer | string, encoding, done) {
      const bytes = typeof chunk === 'string' ? Buffer.from(chunk, encoding) : chunk;
      size += bytes.length;
      sha256.update(bytes);
      done(null, bytes);
    },
  });
  const input = source instanceof Uint8Array ? Readable.from([source], { objectMode: false }) : source;
  await pipeline(input, hashing, fs.createWriteStream(file, { flags: 'wx', mode: 0o640, highWaterMark: CHUNK }));
  return { size, hash: sha256.digest('hex') };
}

export async function hashFile(file: string): Promise<Written> {
  const sha256 = createHash('sha256');
  let size = 0;
  for await (const chunk of fs.createReadStream(file, { highWaterMark: CHUNK }) as AsyncIterable<Buffer>) {
    size += chunk.length;
    sha256.update(chunk);
  }
  return { size, hash: sha256.digest('hex') };
}

/** Syncs the entries of a folder and of those above it, `root` included. */
export async function syncUpwards(folder: string, root: string): Promise<void> {
  for (let at = folder; ; at = path.dirname(at)) {
    await sync(at);
    if (at === root || at === path.dirname(at)) return;
  }
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
    if (NO_LINK.has((error as NodeJS.ErrnoException).code)) return undefined;
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
