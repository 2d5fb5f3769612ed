/**
 * Blobs in a folder of this machine: the key is the path. Drafts are in `.drafts`, on the same file system, so that a
 * finished one takes its place by a rename.
 *
 * ```
 * .drafts/{uuid} --written, synced--> .drafts/{uuid} --renamed, folder synced--> {key}
 * ```
 */
import { randomUUID } from 'node:crypto';
import { constants, createReadStream, createWriteStream } from 'node:fs';
import fs, { type FileHandle } from 'node:fs/promises';
import path from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { DigestStream, errorCode, isMissing } from '@cl-server/kit';
import type { BlobInfo, BlobStore, Draft, OpenBlob, PutOptions, Space, Written } from '../blob-store.js';
import { BlobError, blobErrorOf } from '../errors.js';
import { changeIn, filesBelow, removeEmpty, syncFile } from './folders.js';

const FILE_MODE = 0o640;
const FOLDER_MODE = 0o750;
const BLOCK_BYTES = 1 << 20;
const STREAM_BYTES = 1 << 18;
/** Codes of a failed hard link if the file system has no hard links, or too many of this file. */
const NO_LINKS = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'EMLINK', 'ENOSYS', 'EXDEV']);
const DRAFTS = '.drafts';

export class LocalBlobStore implements BlobStore {
  readonly #root: string;
  readonly #drafts: string;

  /** @param root absolute; it is made with the first blob */
  constructor(root: string) {
    this.#root = path.resolve(root);
    this.#drafts = path.join(this.#root, DRAFTS);
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

  async draft(): Promise<Draft> {
    await fs.mkdir(this.#drafts, { recursive: true, mode: FOLDER_MODE });
    const file = path.join(this.#drafts, randomUUID());
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
      const stat = await fs.lstat(this.#pathOf(key)).catch((error: unknown) => {
        if (isMissing(error)) return undefined;
        throw error;
      });
      return stat?.isFile() ? { size: stat.size, modified: stat.mtimeMs } : undefined;
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
    this.#folderOf(folder);
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

  async deleteBelow(prefix: string): Promise<void> {
    const folder = this.#folderOf(prefix);
    if (folder === this.#root) throw new BlobError('outside', 'a prefix is needed to delete below it');
    await this.#attempt(prefix, async () => {
      // A tool that is being stopped may still add a file, hence the tries.
      await fs.rm(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 });
      await removeEmpty(path.dirname(folder), this.#root);
    });
  }

  async copy(from: string, to: string, options: PutOptions = {}): Promise<void> {
    const { isDurable = true } = options;
    const [source, target] = [this.#pathOf(from), this.#pathOf(to)];
    await this.#attempt(from, async () => {
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
    for await (const name of filesBelow(this.#drafts, '')) {
      const file = path.join(this.#drafts, name);
      const stat = await fs.lstat(file).catch(() => undefined);
      if (!stat || stat.mtimeMs >= untouchedSince) continue;
      await fs.rm(file, { force: true });
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
      const handle = await fs.open(this.#pathOf(key), O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
      try {
        const stat = await handle.stat();
        if (!stat.isFile()) throw new BlobError('not_found', `there is no blob ${key}`);
        return { handle, size: stat.size, modified: stat.mtimeMs };
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
    await changeIn(path.dirname(target), file, isDurable, () => fs.rename(file, target));
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
