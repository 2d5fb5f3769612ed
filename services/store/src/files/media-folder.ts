/**
 * The media folder: one file per content at `{md5}/{name}`, or `{md5}-{8 digits of SHA-256}/{name}` where two contents
 * share an MD5.
 *
 * ```
 * .incoming/{uuid}.part --received--> .incoming/{md5}~{uuid}.placing --link--> {md5}/{name} --row committed--> placed
 * ```
 *
 * The `.placing` name is kept until the row is committed: what a crash leaves behind is then found by its name alone,
 * without looking through the whole folder.
 */

import { randomUUID } from 'node:crypto';
import fsSync, { constants } from 'node:fs';
import fs from 'node:fs/promises';
import path from 'node:path';
import { errorCode, isMissing } from '@cl-server/kit';

export interface Placement {
  /** Relative to the media folder. */
  readonly path: string;
  /** To be called once the row is committed. */
  done(): Promise<void>;
}

const PLACING = /^([0-9a-f]{32})~[0-9a-f-]+\.placing$/;
const KEEPS_FOLDER = new Set(['ENOTEMPTY', 'EEXIST', 'ENOENT']);
const NO_LINKS = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'EMLINK', 'ENOSYS', 'EXDEV']);

async function syncFolder(folder: string): Promise<void> {
  const handle = await fs.open(folder, constants.O_RDONLY);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function syncFile(file: string): Promise<void> {
  const handle = await fs.open(file, 'r+');
  try {
    await handle.datasync();
  } finally {
    await handle.close();
  }
}

export class MediaFolder {
  /** Unfinished uploads; on the same file system as the rest, so that nothing is copied. */
  readonly incoming: string;
  /** What is made from media and can be made again: previews, streams. */
  readonly derived: string;

  /** @param root absolute */
  constructor(readonly root: string) {
    this.incoming = path.join(root, '.incoming');
    this.derived = path.join(root, '.derived');
  }

  async prepare(): Promise<void> {
    await fs.mkdir(this.incoming, { recursive: true, mode: 0o750 });
    await fs.mkdir(this.derived, { recursive: true, mode: 0o750 });
  }

  /**
   * Absolute path of a stored file.
   * @throws Error for a path that leads out of the folder; rows never hold one
   */
  resolve(relative: string): string {
    const file = path.resolve(this.root, relative);
    if (!file.startsWith(this.root + path.sep)) throw new Error('a stored path leads out of the media folder');
    return file;
  }

  /** The folder of a content, relative. @param shared another content has this MD5 */
  static contentFolder(md5: string, sha256: string, shared: boolean): string {
    return shared ? `${md5}-${sha256.slice(0, 8)}` : md5;
  }

  /** Puts a received file at its place, durable when it returns. What lay there is replaced. */
  async place(received: string, md5: string, relative: string): Promise<Placement> {
    const placing = path.join(this.incoming, `${md5}~${randomUUID()}.placing`);
    const target = this.resolve(relative);
    const folder = path.dirname(target);
    await syncFile(received);
    await fs.rename(received, placing);
    try {
      const made = await fs.mkdir(folder, { recursive: true, mode: 0o750 });
      await fs.rm(target, { force: true });
      await this.#link(placing, target);
      await syncFolder(folder);
      if (made !== undefined) await syncFolder(this.root);
    } catch (error) {
      await fs.rm(placing, { force: true });
      throw error;
    }
    return { path: relative, done: () => fs.rm(placing, { force: true }) };
  }

  async #link(from: string, to: string): Promise<void> {
    try {
      await fs.link(from, to);
    } catch (error) {
      if (!NO_LINKS.has(errorCode(error) ?? '')) throw error;
      await fs.copyFile(from, to, constants.COPYFILE_EXCL);
      await syncFile(to);
    }
  }

  /** Files, relative, in the folders of an MD5. */
  async filesOf(md5: string): Promise<string[]> {
    const found: string[] = [];
    for (const folder of (await namesIn(this.root)).filter((name) => name === md5 || name.startsWith(`${md5}-`)))
      for (const name of await namesIn(this.resolve(folder))) found.push(`${folder}/${name}`);
    return found;
  }

  /** Removes a file, and its folder if that is empty then. At once, since the caller holds the write lock. */
  removeNow(relative: string): void {
    const file = this.resolve(relative);
    fsSync.rmSync(file, { force: true });
    try {
      fsSync.rmdirSync(path.dirname(file));
    } catch (error) {
      if (!KEEPS_FOLDER.has(errorCode(error) ?? '')) throw error;
    }
  }

  /** MD5s whose folders may hold a file without a row, because a process died while it placed one. */
  async abandoned(): Promise<ReadonlySet<string>> {
    const suspects = new Set<string>();
    for (const name of await namesIn(this.incoming)) {
      const md5 = PLACING.exec(name)?.[1];
      if (md5 !== undefined) suspects.add(md5);
    }
    return suspects;
  }

  /** Empties the folder of unfinished uploads. */
  async clearIncoming(): Promise<void> {
    for (const name of await namesIn(this.incoming))
      await fs.rm(path.join(this.incoming, name), { force: true, recursive: true });
  }
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return await fs.readdir(folder);
  } catch (error) {
    if (isMissing(error)) return [];
    throw error;
  }
}
