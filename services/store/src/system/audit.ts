/** Compares database, media folder and broker while all are in use. */
import type { AuditReport, CleanupReport } from '@cl-server/contract';
import type { Kysely } from 'kysely';
import type { StoreTables } from '../database/tables.js';
import type { MediaFolder } from '../files/media-folder.js';
import { findFileFaults } from './file-faults.js';
import { type Orphans, removeAll, take } from './orphans.js';

export interface AuditOptions {
  readonly db: Kysely<StoreTables>;
  readonly folder: MediaFolder;
  /** Uploaded, and made from what was uploaded; paths relative to the media folder. */
  readonly files: readonly Orphans<string>[];
  readonly faces: Orphans<AuditReport['orphaned_faces'][number]>;
  readonly vectors: Orphans<AuditReport['orphaned_vectors'][number]>;
  readonly statuses: Orphans<AuditReport['orphaned_mqtt'][number]>;
  /** Milliseconds. */
  readonly now: () => number;
}

/** Of each kind; a report with more says that it was cut. */
const MAX_ITEMS = 10_000;

export class Audit {
  readonly #options: AuditOptions;
  constructor(options: AuditOptions) {
    this.#options = options;
  }

  /** @param verify read every file and compare its digest */
  async run(verify: boolean): Promise<AuditReport> {
    const { db, folder, files, faces, vectors, statuses, now } = this.#options;
    const paths: string[] = [];
    for (const kind of files) paths.push(...(await take(kind.find(), MAX_ITEMS - paths.length)));
    const { missing, damaged } = await findFileFaults(db, folder, verify, MAX_ITEMS);
    const report = {
      orphaned_files: paths.map((path) => ({ file_path: path, absolute_path: path })),
      orphaned_faces: await take(faces.find(), MAX_ITEMS),
      orphaned_vectors: await take(vectors.find(), MAX_ITEMS),
      orphaned_mqtt: await take(statuses.find(), MAX_ITEMS),
      missing_files: [...missing],
      damaged_files: [...damaged],
    };
    const truncated = Object.values(report).some((items) => items.length >= MAX_ITEMS);
    return { ...report, truncated, timestamp: now() };
  }

  /** Removes every orphan. What is missing or damaged stays: only a person can say what to do. */
  async clear(): Promise<CleanupReport> {
    const { files, faces, vectors, statuses } = this.#options;
    let removed = 0;
    for (const kind of files) removed += await removeAll(kind);
    return {
      files_deleted: removed,
      faces_deleted: await removeAll(faces),
      vectors_deleted: await removeAll(vectors),
      mqtt_cleared: await removeAll(statuses),
    };
  }
}
