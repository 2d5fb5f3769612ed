/**
 * Blobs in a folder of this machine: the key is the path. Drafts are in `.drafts`, on the same file system, so that a
 * finished one takes its place by a rename.
 *
 * ```
 * .drafts/{uuid} --written, synced--> .drafts/{uuid} --renamed, folder synced--> {key}
 * ```
 */
import { randomUUID } from 'node:crypto';
import { constants, createReadStream, createWriteStream, type Stats } from 'node:fs';
import fs, { type FileHandle } from 'node:fs/promises';
import path from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { DigestStream, errorCode, exists, isMissing } from '@cl-server/kit';
import type {
  BlobInfo,
  BlobStore,
  CopyOptions,
  Draft,
  FolderLimits,
  OpenBlob,
  PutOptions,
  Space,
  Written,
} from '../blob-store.js';
import { BlobError, blobErrorOf } from '../errors.js';
import { changeIn, filesBelow, makeReadOnly, removeEmpty, syncFile } from './folders.js';
import { SealThread } from './seal-thread.js';

const FILE_MODE = 0o640;
const FOLDER_MODE = 0o750;
const BLOCK_BYTES = 1 << 20;
const STREAM_BYTES = 1 << 18;
/** Codes of a failed hard link if the file system has no hard links, or too many of this file. */
const NO_LINKS = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'EMLINK', 'ENOSYS', 'EXDEV']);
const DRAFTS = '.drafts';

/** Undefined if there is no such folder. */
const realPath = (folder: string): Promise<string | undefined> =>
  fs.realpath(folder).catch((error: unknown) => {
    if (isMissing(error)) return undefined;
    throw error;
  });

const infoOf = ({ size, mtimeMs, ctimeMs }: Stats): BlobInfo => ({ size, modified: mtimeMs, placed: ctimeMs });

export interface LocalBlobStoreOptions {
  /**
   * Whether a symbolic link in the place of a folder is refused, too. Needed if programs that are not trusted can write in the
   * root. Default: false, so that an admin can place a part of the store on another disk.
   */
  readonly refusesLinks?: boolean;
}

export class LocalBlobStore implements BlobStore {
  readonly incoming: string;
  readonly #root: string;
  readonly #refusesLinks: boolean;
  readonly #sealing: SealThread;
  #realRoot: string | undefined;

  /** @param root absolute; it is made with the first blob */
  constructor(root: string, { refusesLinks = false }: LocalBlobStoreOptions = {}) {
    this.#root = path.resolve(root);
    this.#refusesLinks = refusesLinks;
    this.#sealing = new SealThread(this.#root, refusesLinks);
    this.incoming = path.join(this.#root, DRAFTS);
  }

  async put(key: string, source: Readable | Uint8Array, options: PutOptions = {}): Promise<Written> {
    const input = source instanceof Uint8Array ? Readable.from([source], { objectMode: false }) : source;
    let sourceError: unknown;
    // A stream may break before anybody reads it; the pipeline then fails with the same error.
    input.on('error', (error) => {
      sourceError = error;
    });
    return this.#attempt(key, async () => {
      this.#pathOf(key);
      await using draft = await this.draft();
      const digesting = new DigestStream(['sha256']);
      const sink = createWriteStream(draft.path, { flags: 'wx', mode: FILE_MODE, highWaterMark: BLOCK_BYTES });
      await pipeline(input, digesting, sink);
      await this.#place(draft.path, key, options);
      return { size: digesting.size, sha256: digesting.digests().sha256 };
    }).catch((error: unknown) => {
      throw sourceError ?? error;
    });
  }

  async putFile(key: string, file: string, options: PutOptions = {}): Promise<void> {
    await this.#attempt(key, async () => {
      try {
        await this.#place(file, key, options);
      } catch (error) {
        if (errorCode(error) !== 'EXDEV') throw error;
        await this.#placeCopy(file, key, options);
        await fs.rm(file, { force: true });
      }
    });
  }

  async putFolder(prefix: string, folder: string, limits: FolderLimits): Promise<number> {
    const target = this.#folderOf(prefix);
    return this.#attempt(prefix, async () => {
      try {
        return await this.#sealing.seal({ folder, target, limits });
      } catch (error) {
        if (errorCode(error) !== 'EXDEV') throw error;
      }
      // The folder is on another file system, and was checked there.
      let bytes = 0;
      await this.deleteBelow(prefix);
      for await (const name of filesBelow(folder, '')) {
        const file = path.join(folder, name);
        bytes += (await fs.lstat(file)).size;
        await this.putFile(`${prefix}${name}`, file);
      }
      await fs.rm(folder, { recursive: true, force: true });
      return bytes;
    });
  }

  async draft(): Promise<Draft> {
    await fs.mkdir(this.incoming, { recursive: true, mode: FOLDER_MODE });
    const file = path.join(this.incoming, randomUUID());
    return { path: file, [Symbol.asyncDispose]: () => fs.rm(file, { force: true }) };
  }

  async open(key: string): Promise<OpenBlob> {
    const { handle, ...info } = await this.#openFile(key);
    return {
      ...info,
      stream: (range) => handle.createReadStream({ ...range, highWaterMark: STREAM_BYTES }),
      close: () => handle.close(),
      [Symbol.asyncDispose]: () => handle.close(),
    };
  }

  async read(key: string, maxBytes: number): Promise<Buffer> {
    const { handle, size } = await this.#openFile(key);
    try {
      if (size > maxBytes) throw new Error(`the blob ${key} has ${size} bytes, more than ${maxBytes}`);
      return await handle.readFile();
    } finally {
      await handle.close();
    }
  }

  async head(key: string): Promise<BlobInfo | undefined> {
    return this.#attempt(key, async () => {
      const file = this.#pathOf(key);
      const stat = await fs.lstat(file).catch((error: unknown) => {
        if (isMissing(error)) return undefined;
        throw error;
      });
      if (!stat?.isFile()) return undefined;
      await this.#assertNoLinks(path.dirname(file));
      return infoOf(stat);
    });
  }

  async localFile(key: string): Promise<string> {
    if (!(await this.head(key))) throw new BlobError('not_found', `there is no blob ${key}`);
    return this.#pathOf(key);
  }

  /**
   * Path of a folder in which a tool writes files itself, which can be read while they grow. Not part of `BlobStore`: only a
   * disk can do this.
   * @param prefix ends with `/`
   */
  localFolder(prefix: string): string {
    return this.#folderOf(prefix);
  }

  async *list(prefix: string): AsyncGenerator<string> {
    const folder = prefix.slice(0, prefix.lastIndexOf('/') + 1);
    const start = prefix.slice(folder.length);
    await this.#assertNoLinks(this.#folderOf(folder));
    const isIncluded = (name: string) =>
      name.startsWith(start) && (prefix !== '' || !name.startsWith('.')) && (folder !== '' || name !== DRAFTS);
    yield* filesBelow(this.#root, folder, isIncluded);
  }

  async *folders(prefix: string): AsyncGenerator<string> {
    const folder = await fs.opendir(this.#folderOf(prefix)).catch((error: unknown) => {
      if (isMissing(error)) return [];
      throw blobErrorOf(error, prefix);
    });
    for await (const entry of folder) if (entry.isDirectory()) yield entry.name;
  }

  async delete(key: string): Promise<void> {
    const file = this.#pathOf(key);
    await this.#attempt(key, async () => {
      await fs.rm(file, { force: true });
      await removeEmpty(path.dirname(file), this.#root);
    });
  }

  /** Moves the folder away in one step, then deletes it: no reader sees a part of it, and an open file can be read on. */
  async deleteBelow(prefix: string): Promise<boolean> {
    const folder = this.#folderOf(prefix);
    if (folder === this.#root) throw new BlobError('outside', 'a prefix is needed to delete below it');
    return this.#attempt(prefix, async () => {
      const away = path.join(this.incoming, randomUUID());
      const wasThere = await this.#moveAway(folder, away);
      // A tool that is being stopped may still add a file, hence the tries.
      if (wasThere) await fs.rm(away, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 });
      await removeEmpty(path.dirname(folder), this.#root);
      return wasThere;
    });
  }

  /** @returns false if there was nothing */
  async #moveAway(folder: string, away: string): Promise<boolean> {
    for (let tries = 1; ; tries++)
      try {
        await fs.rename(folder, away);
        return true;
      } catch (error) {
        if (errorCode(error) === 'EXDEV') {
          // An admin has placed this part of the store on another disk.
          await fs.rm(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 });
          return true;
        }
        if (!isMissing(error)) throw error;
        if (tries > 1 || !(await exists(folder))) return false;
        await fs.mkdir(this.incoming, { recursive: true, mode: FOLDER_MODE });
      }
  }

  async sizeBelow(prefix: string, which: 'all' | 'unshared' = 'all'): Promise<number> {
    this.#folderOf(prefix);
    const counted = new Set<string>();
    let bytes = 0;
    for await (const key of this.list(prefix)) {
      const stat = await fs.lstat(path.join(this.#root, key)).catch(() => undefined);
      if (!stat?.isFile() || (which === 'unshared' && stat.nlink > 1)) continue;
      const identity = `${stat.dev}:${stat.ino}`;
      if (stat.nlink > 1 && counted.has(identity)) continue;
      if (stat.nlink > 1) counted.add(identity);
      bytes += stat.size;
    }
    return bytes;
  }

  async copy(from: string, to: string, options: CopyOptions = {}): Promise<void> {
    const { isDurable = true, isReadOnly = false } = options;
    const [source, target] = [this.#pathOf(from), this.#pathOf(to)];
    await this.#attempt(from, async () => {
      await this.#assertNoLinks(path.dirname(source), path.dirname(target));
      if (isReadOnly) await makeReadOnly(source);
      if (isDurable) await syncFile(source);
      try {
        // Blobs are never changed in their place, so two keys may share one file.
        await changeIn(path.dirname(target), source, isDurable, () => fs.link(source, target));
      } catch (error) {
        const code = errorCode(error) ?? '';
        if (code !== 'EEXIST' && !NO_LINKS.has(code)) throw error;
        await this.#placeCopy(source, to, options);
      }
    });
  }

  async move(from: string, to: string, options: PutOptions = {}): Promise<void> {
    const source = this.#pathOf(from);
    await this.#attempt(from, async () => {
      await this.#place(source, to, options);
      await removeEmpty(path.dirname(source), this.#root);
    });
  }

  async sweep(untouchedSince: number): Promise<number> {
    let removed = 0;
    for (const name of await fs.readdir(this.incoming).catch(() => [])) {
      const file = path.join(this.incoming, name);
      const stat = await fs.lstat(file).catch(() => undefined);
      if (!stat || stat.mtimeMs >= untouchedSince) continue;
      await fs.rm(file, { recursive: true, force: true });
      removed++;
    }
    return removed;
  }

  async space(): Promise<Space | undefined> {
    const stat = await fs.statfs(this.#root).catch(() => undefined);
    return stat && { total: stat.blocks * stat.bsize, free: stat.bavail * stat.bsize };
  }

  #openFile(key: string): Promise<BlobInfo & { readonly handle: FileHandle }> {
    return this.#attempt(key, async () => {
      const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = constants;
      const file = this.#pathOf(key);
      const handle = await fs.open(file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
      try {
        await this.#assertNoLinks(path.dirname(file));
        const stat = await handle.stat();
        if (!stat.isFile()) throw new BlobError('not_found', `there is no blob ${key}`);
        return { handle, ...infoOf(stat) };
      } catch (error) {
        await handle.close();
        throw error;
      }
    });
  }

  /** Renames a finished file to its key. */
  async #place(file: string, key: string, { isDurable = true }: PutOptions): Promise<void> {
    const target = this.#pathOf(key);
    if (isDurable) await syncFile(file);
    await changeIn(path.dirname(target), file, isDurable, async () => {
      await this.#assertNoLinks(path.dirname(target));
      await fs.rename(file, target);
    });
  }

  /** @throws BlobError `outside` if links are refused and one leads elsewhere. Folders that do not exist are no error. */
  async #assertNoLinks(...folders: readonly string[]): Promise<void> {
    if (!this.#refusesLinks) return;
    for (const folder of folders) {
      const real = await realPath(folder);
      const isAt = (root: string | undefined) => root !== undefined && real === path.join(root, relative);
      const relative = path.relative(this.#root, folder);
      if (real === undefined || isAt(this.#realRoot)) continue;
      this.#realRoot = await realPath(this.#root);
      if (!isAt(this.#realRoot)) throw new BlobError('outside', `a link leads out of the store at ${relative}`);
    }
  }

  async #placeCopy(file: string, key: string, options: PutOptions): Promise<void> {
    await using draft = await this.draft();
    await pipeline(createReadStream(file), createWriteStream(draft.path, { flags: 'wx', mode: FILE_MODE }));
    await this.#place(draft.path, key, options);
  }

  /** Runs a piece of work and gives the system's errors the store's own codes. */
  async #attempt<T>(key: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw blobErrorOf(error, key);
    }
  }

  #pathOf(key: string): string {
    const segments = key.split('/');
    const isWrong = (segment: string) => segment === '' || segment === '.' || segment === '..';
    if (key.includes('\0') || segments[0] === DRAFTS || segments.some(isWrong))
      throw new BlobError('outside', `${JSON.stringify(key)} is not a key`);
    return path.join(this.#root, ...segments);
  }

  #folderOf(prefix: string): string {
    if (prefix === '') return this.#root;
    if (!prefix.endsWith('/')) throw new BlobError('outside', `${JSON.stringify(prefix)} does not end with a slash`);
    return this.#pathOf(prefix.slice(0, -1));
  }
}
