import { randomUUID } from 'node:crypto';
import fs from 'node:fs';
import fsp from 'node:fs/promises';
import path from 'node:path';
import { Readable } from 'node:stream';
import { errorCode, isMissing, isWithin, messageOf, sync, syncUpwards } from '@cl-server/kit';
import { JobError } from '../errors.js';
import { isJobId } from '../job.js';
import { hashFile, linkReadOnly, treeSize, type Written, writeHashed } from './durable.js';
import { fileMissing, JobPaths, segmentsOf, traversal } from './paths.js';
import { type SealLimits, SealThread } from './seal-thread.js';
import type { FileSource, FilesOf, JobStorage, OpenFile, SavedFile } from './storage.js';

const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = fs.constants;

/** A stream of ten hours in nine variants has 160,000 segments. */
const RESULT_LIMITS: SealLimits = { maxFiles: 250_000, maxBytes: 64 * 1024 ** 3 };

/** Job files in a folder of this machine. Folders beginning with a dot are the storage's own. */
export class LocalJobStorage implements JobStorage {
  readonly root: string;
  readonly uploads: string;
  readonly #trash: string;
  readonly #paths: JobPaths;
  readonly #sealing: SealThread;

  constructor(root: string, limits: SealLimits = RESULT_LIMITS) {
    this.root = path.resolve(root);
    this.uploads = path.join(this.root, '.uploads');
    this.#trash = path.join(this.root, '.trash');
    this.#paths = new JobPaths(this.root);
    this.#sealing = new SealThread(this.root, limits);
    for (const folder of [this.uploads, this.#trash]) fs.mkdirSync(folder, { recursive: true, mode: 0o750 });
  }

  async createDirectory(jobId: string): Promise<void> {
    await fsp.mkdir(path.join(this.#paths.job(jobId), 'input'), { recursive: true, mode: 0o750 });
  }

  async remove(jobId: string): Promise<boolean> {
    return isJobId(jobId) && this.#discard(this.#paths.job(jobId));
  }

  /** Moves the folder away in one step, then deletes it: no reader sees half a folder, and an open file can be read on. */
  async #discard(folder: string): Promise<boolean> {
    const removed = path.join(this.#trash, randomUUID());
    try {
      await fsp.rename(folder, removed);
    } catch (error) {
      if (isMissing(error)) return false;
      throw error;
    }
    await fsp.rm(removed, { recursive: true, force: true, maxRetries: 3 });
    return true;
  }

  async save(jobId: string, relativePath: string, source: FileSource): Promise<SavedFile> {
    // A stream may break before anybody reads it; the read then fails with the same error.
    if (source instanceof Readable) source.on('error', () => undefined);
    const segments = segmentsOf(relativePath);
    if (segments[0] !== 'input' || segments.length < 2) throw traversal();
    const target = path.join(this.#paths.job(jobId), ...segments);
    const folder = path.dirname(target);
    const unfinished = path.join(this.uploads, `${randomUUID()}.part`);
    try {
      await fsp.mkdir(folder, { recursive: true, mode: 0o750 });
      if (!isWithin(await fsp.realpath(this.#paths.job(jobId)), await fsp.realpath(folder))) throw traversal();
      const written = (await linked(source, target)) ?? (await this.#place(source, unfinished, target));
      await syncUpwards(folder, this.root);
      return { relative_path: segments.join('/'), ...written };
    } catch (error) {
      await fsp.rm(unfinished, { force: true });
      throw error;
    }
  }

  async #place(source: FileSource, unfinished: string, target: string): Promise<Written> {
    const written = await this.#receive(source, unfinished);
    await sync(unfinished);
    await fsp.rename(unfinished, target);
    return written;
  }

  async #receive(source: FileSource, file: string): Promise<Written> {
    if (source instanceof Uint8Array || source instanceof Readable) return writeHashed(source, file);
    if (!source.move) return writeHashed(fs.createReadStream(source.path), file);
    try {
      await fsp.rename(source.path, file);
    } catch (error) {
      if (errorCode(error) !== 'EXDEV') throw error;
      const written = await writeHashed(fs.createReadStream(source.path), file);
      await fsp.rm(source.path);
      return written;
    }
    if (source.sha256 === undefined) return hashFile(file);
    return { size: (await fsp.stat(file)).size, hash: source.sha256 };
  }

  async allocatePath(jobId: string, attempt: number, relativePath: string): Promise<string> {
    const segments = segmentsOf(relativePath);
    if (segments.length === 0 || segments[0] === 'input') throw traversal();
    const home = this.#paths.attempt(jobId, attempt);
    const file = path.join(home, ...segments);
    await fsp.mkdir(path.dirname(file), { recursive: true, mode: 0o750 });
    if (!isWithin(await fsp.realpath(home), await fsp.realpath(path.dirname(file)))) throw traversal();
    return file;
  }

  async seal(jobId: string, attempt: number): Promise<number> {
    const folder = this.#paths.attempt(jobId, attempt);
    try {
      if (!fs.statSync(folder, { throwIfNoEntry: false })) return 0; // most tasks without files end here, quickly
      return await this.#sealing.seal(folder);
    } catch (error) {
      if (errorCode(error) === 'RESULT_REFUSED') throw new JobError('result_refused', messageOf(error));
      if (!isMissing(error)) throw error;
      return 0;
    }
  }

  attemptFolder(jobId: string, attempt: number): string {
    return this.#paths.attempt(jobId, attempt);
  }

  async removeAttempt(jobId: string, attempt: number): Promise<void> {
    await this.#discard(this.#paths.attempt(jobId, attempt));
  }

  async open(job: FilesOf, relativePath: string): Promise<OpenFile> {
    const file = await this.#paths.real(job, relativePath);
    const handle = await fsp.open(file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK).catch((error: unknown) => {
      if (errorCode(error) === 'ELOOP') throw traversal();
      throw isMissing(error) ? fileMissing(relativePath) : error;
    });
    try {
      const stat = await handle.stat();
      if (!stat.isFile()) throw new JobError('not_a_file', `Path is not a file: ${relativePath}`);
      return {
        handle,
        size: stat.size,
        modified: Math.floor(stat.mtimeMs),
        name: path.basename(file),
        [Symbol.asyncDispose]: () => handle.close(),
      };
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  resolvePath(job: FilesOf, relativePath = ''): Promise<string> {
    return this.#paths.real(job, relativePath);
  }

  async size(): Promise<{ total_size: number; job_count: number }> {
    let total_size = 0;
    let job_count = 0;
    const shared = new Set<string>();
    const isFirst = ({ nlink, dev, ino }: fs.Stats): boolean => {
      const key = `${dev}:${ino}`;
      if (nlink === 1) return true;
      if (shared.has(key)) return false;
      shared.add(key);
      return true;
    };
    for await (const jobId of this.jobFolders()) {
      total_size += await treeSize(this.#paths.job(jobId), isFirst);
      job_count += 1;
    }
    return { total_size, job_count };
  }

  /** Bytes that the removal of a job frees: not those of files that other jobs have too. */
  sizeOf(jobId: string): Promise<number> {
    return treeSize(this.#paths.job(jobId), ({ nlink }) => nlink === 1);
  }

  inputSize(jobId: string): Promise<number> {
    return treeSize(path.join(this.#paths.job(jobId), 'input'), () => true);
  }

  attemptSize(jobId: string, attempt: number): Promise<number> {
    return treeSize(this.#paths.attempt(jobId, attempt), () => true);
  }

  /** Every folder that could be a job's. */
  async *jobFolders(): AsyncGenerator<string> {
    for await (const entry of await fsp.opendir(this.root))
      if (entry.isDirectory() && isJobId(entry.name)) yield entry.name;
  }

  /** Numbers of the attempts that have a folder. */
  async attempts(jobId: string): Promise<number[]> {
    const names = await fsp.readdir(path.join(this.#paths.job(jobId), 'attempts')).catch(() => []);
    return names.filter((name) => /^\d+$/.test(name)).map(Number);
  }

  /** When the job's folder, its input or its attempts last gained or lost an entry; undefined where it is gone. */
  async changedAt(jobId: string): Promise<number | undefined> {
    const home = this.#paths.job(jobId);
    const times = await Promise.all(
      [home, path.join(home, 'input'), path.join(home, 'attempts')].map(async (folder) => {
        const stat = await fsp.stat(folder).catch(() => undefined);
        return stat?.mtimeMs;
      }),
    );
    return times[0] === undefined ? undefined : Math.max(...times.map((time) => time ?? 0));
  }

  /** Whether a file that a job's params name is still there. */
  async hasInput(jobId: string, inputPath: string): Promise<boolean> {
    return this.#paths.real({ job_id: jobId, committed_attempt: null }, inputPath).then(
      () => true,
      () => false,
    );
  }

  /** Removes unfinished uploads and removals that nobody touched since the moment. @returns how many */
  async sweep(untouchedSince: number): Promise<number> {
    let removed = 0;
    for (const folder of [this.uploads, this.#trash])
      for (const name of await fsp.readdir(folder)) {
        const file = path.join(folder, name);
        const stat = await fsp.lstat(file).catch(() => undefined);
        if (!stat || stat.mtimeMs >= untouchedSince) continue;
        await fsp.rm(file, { recursive: true, force: true });
        removed += 1;
      }
    return removed;
  }
}

async function linked(source: FileSource, target: string): Promise<Written | undefined> {
  if (source instanceof Uint8Array || source instanceof Readable || !source.link) return undefined;
  return linkReadOnly(source.path, target, source.sha256);
}
