/**
 * The layout of the media in their blob store: one blob per content at `{md5}/{name}`, or `{md5}-{8 digits of SHA-256}/{name}` if two
 * contents share an MD5.
 *
 * ```
 * .incoming/{uuid}.part --received--> .incoming/{md5}~{uuid}.placing --copied--> {md5}/{name} --row committed--> placed
 * ```
 *
 * The `.placing` key is kept until the row is committed. The remains of a crash can then be found by their key, without a
 * search through all media.
 */

import { randomUUID } from 'node:crypto';
import fs from 'node:fs/promises';
import path from 'node:path';
import { type BlobStore, LocalBlobStore } from '@cl-server/blobs';
import { isMissing } from '@cl-server/kit';

export interface Placement {
  /** The key of the content. */
  readonly path: string;
  /** Must be called after the row is committed. */
  done(): Promise<void>;
}

const INCOMING = '.incoming';
const PLACING = /^\.incoming\/([0-9a-f]{32})~[0-9a-f-]+\.placing$/;

export class MediaFolder {
  readonly blobs: BlobStore;
  /** Uploads that are being received, on this machine; on the same file system as the rest, so that nothing is copied. */
  readonly incoming: string;
  /** Uploads in pieces, on this machine. */
  readonly uploads: string;

  /** @param root absolute */
  constructor(readonly root: string) {
    this.blobs = new LocalBlobStore(root);
    this.incoming = path.join(root, INCOMING);
    this.uploads = path.join(root, '.uploads');
  }

  async prepare(): Promise<void> {
    await fs.mkdir(this.incoming, { recursive: true, mode: 0o750 });
  }

  /** First segment of a content's key. @param shared another content has this MD5 */
  static contentFolder(md5: string, sha256: string, shared: boolean): string {
    return shared ? `${md5}-${sha256.slice(0, 8)}` : md5;
  }

  /** Puts a received file under its key, durable when it returns. Replaces what is there. */
  async place(received: string, md5: string, key: string): Promise<Placement> {
    const placing = `${INCOMING}/${md5}~${randomUUID()}.placing`;
    const done = () => this.blobs.delete(placing);
    // The copy makes the bytes durable.
    await this.blobs.putFile(placing, received, { isDurable: false });
    try {
      await this.blobs.copy(placing, key);
    } catch (error) {
      await done();
      throw error;
    }
    return { path: key, done };
  }

  /** Keys of the contents with an MD5. */
  async filesOf(md5: string): Promise<string[]> {
    const found: string[] = [];
    for await (const key of this.blobs.list(md5)) if (/^(-|\/)/.test(key.slice(md5.length))) found.push(key);
    return found;
  }

  /** MD5s that may have a file without a row, because a process died while it placed one. */
  async abandoned(): Promise<ReadonlySet<string>> {
    const suspects = new Set<string>();
    for await (const key of this.blobs.list(`${INCOMING}/`)) {
      const md5 = PLACING.exec(key)?.[1];
      if (md5 !== undefined) suspects.add(md5);
    }
    return suspects;
  }

  /** Removes unfinished uploads. */
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
