/**
 * The files of resumable uploads: `{id}` has the bytes, `{id}.json` is the record with the metadata. The record of a finished
 * upload is kept for a while, so that a client whose last answer was lost learns that nothing is left to send.
 */

import fs from 'node:fs';
import fsp from 'node:fs/promises';
import path from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { isMissing } from '@cl-server/kit';
import { DataStore, ERRORS, Upload } from '@tus/server';
import { Admission } from './admission.js';

export interface UploadFilesOptions {
  /** Absolute path, on the file system of the media. */
  readonly directory: string;
  /** Milliseconds for which an upload is kept without new bytes. */
  readonly expires: number;
  /** Milliseconds for which the record of a finished upload is kept. */
  readonly remembers: number;
  /** Claims the bytes of an upload of unknown length on the budget of its owner. @throws HttpError 413 */
  readonly claim: (upload: UploadRecord, bytes: number) => Promise<void>;
  /** Called for each upload that is removed before it is finished. */
  readonly onRemoved: (id: string) => Promise<void>;
  readonly now: () => number;
}

export interface UploadRecord {
  readonly id: string;
  /** Absent until the client announces it. */
  readonly size?: number;
  readonly metadata?: Upload['metadata'];
  /** Null if the upload was begun without a login. Records of older releases have the owner among the metadata. */
  readonly owner?: string | null;
  /** The entity that a finished upload has become. */
  readonly entity_id?: number;
  /** Milliseconds. */
  readonly finished_at?: number;
}

/** The metadata key of the owner while an upload is created; neither the record nor the client sees it. */
export const OWNER = 'owner_id';

export class UploadFiles extends DataStore {
  readonly #options: UploadFilesOptions;
  override extensions = ['creation', 'creation-with-upload', 'creation-defer-length', 'termination', 'expiration'];

  constructor(options: UploadFilesOptions) {
    super();
    this.#options = options;
    fs.mkdirSync(options.directory, { recursive: true, mode: 0o750 });
  }

  pathOf = (id: string): string => path.join(this.#options.directory, id);

  /** The ids of the uploads that have a record. */
  async ids(): Promise<string[]> {
    const names = await fsp.readdir(this.#options.directory);
    return names.flatMap((name) => /^([0-9a-f]{32})\.json$/.exec(name)?.[1] ?? []);
  }

  async record(id: string): Promise<UploadRecord | undefined> {
    let text: string;
    try {
      text = await fsp.readFile(`${this.pathOf(id)}.json`, 'utf8');
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw error;
    }
    let record: UploadRecord;
    try {
      record = JSON.parse(text) as UploadRecord;
    } catch {
      return undefined;
    }
    const { [OWNER]: formerly = null, ...metadata } = record.metadata ?? {};
    return 'owner' in record ? record : { ...record, metadata, owner: formerly || null };
  }

  async #save(record: UploadRecord): Promise<void> {
    const file = `${this.pathOf(record.id)}.json`;
    await fsp.writeFile(`${file}.new`, JSON.stringify(record), { mode: 0o640 });
    await fsp.rename(`${file}.new`, file);
  }

  override async create(upload: Upload): Promise<Upload> {
    const { [OWNER]: owner = null, ...metadata } = upload.metadata ?? {};
    upload.metadata = metadata;
    await this.#save({ id: upload.id, size: upload.size, metadata, owner: owner || null });
    await fsp.writeFile(this.pathOf(upload.id), '', { mode: 0o640 });
    return upload;
  }

  override async declareUploadLength(id: string, size: number): Promise<void> {
    const record = await this.record(id);
    if (!record) throw ERRORS.FILE_NOT_FOUND;
    await this.#save({ ...record, size });
  }

  /** Bytes that arrived before an error are kept. @returns the new offset */
  override async write(bytes: Readable, id: string, offset: number): Promise<number> {
    const record = await this.record(id);
    if (!record) throw ERRORS.FILE_NOT_FOUND;
    if (record.entity_id !== undefined) {
      bytes.resume();
      return offset;
    }
    const sink = fs.createWriteStream(this.pathOf(id), { flags: 'r+', start: offset });
    if (record.size !== undefined) await pipeline(bytes, sink);
    else await pipeline(bytes, new Admission((total) => this.#options.claim(record, total), offset), sink);
    return offset + sink.bytesWritten;
  }

  /** The number of bytes that have arrived. */
  async arrived(id: string): Promise<number> {
    const stat = await fsp.stat(this.pathOf(id)).catch(() => undefined);
    return stat?.size ?? 0;
  }

  override async getUpload(id: string): Promise<Upload> {
    const record = await this.record(id);
    if (!record) throw ERRORS.FILE_NOT_FOUND;
    const { size, entity_id, finished_at } = record;
    // An upload without metadata is reported without the header.
    const metadata = Object.keys(record.metadata ?? {}).length > 0 ? record.metadata : undefined;
    if (entity_id !== undefined)
      return new Upload({ id, size, metadata, offset: size ?? 0, creation_date: this.#date(finished_at) });
    try {
      const { size: offset, mtimeMs } = await fsp.stat(this.pathOf(id));
      // The tus server computes the expiry from this date, so each piece extends it.
      return new Upload({ id, size, metadata, offset, creation_date: this.#date(mtimeMs) });
    } catch (error) {
      throw isMissing(error) ? ERRORS.FILE_NO_LONGER_EXISTS : error;
    }
  }

  #date = (time = this.#options.now()): string => new Date(time).toISOString();

  /** Records that the bytes have become an entity. */
  async finish(id: string, size: number, entityId: number): Promise<void> {
    const record = await this.record(id);
    if (record) await this.#save({ ...record, size, entity_id: entityId, finished_at: this.#options.now() });
    await fsp.rm(this.pathOf(id), { force: true });
  }

  override async remove(id: string): Promise<void> {
    for (const name of [id, `${id}.json`, `${id}.json.new`]) await fsp.rm(this.pathOf(name), { force: true });
    await this.#options.onRemoved(id);
  }

  override async deleteExpired(): Promise<number> {
    const { directory, expires, remembers, now } = this.#options;
    let removed = 0;
    for (const id of new Set((await fsp.readdir(directory)).map((name) => name.split('.', 1)[0] ?? ''))) {
      const { finished_at } = (await this.record(id)) ?? {};
      const since = finished_at ?? (await this.#lastWrite(id));
      if (now() - since <= (finished_at === undefined ? expires : remembers)) continue;
      await this.remove(id);
      removed++;
    }
    return removed;
  }

  async #lastWrite(id: string): Promise<number> {
    for (const name of [id, `${id}.json`, `${id}.json.new`]) {
      const stat = await fsp.stat(this.pathOf(name)).catch(() => undefined);
      if (stat) return stat.mtimeMs;
    }
    return this.#options.now();
  }

  override getExpiration(): number {
    return this.#options.expires;
  }
}
