/** Compares database, media folder and broker while all are in use. */
import type { AuditReport, CleanupReport } from '@cl-server/contract';
import type { Orphans } from '@cl-server/insight';
import { conflict, type FolderIdentity } from '@cl-server/service-kit';
import type { Kysely } from 'kysely';
import type { StoreTables } from '../database/tables.js';
import type { MediaFolder } from '../files/media-folder.js';
import { findFileFaults } from './file-faults.js';
import { removeAll, take } from './orphans.js';

export interface AuditOptions {
  readonly db: Kysely<StoreTables>;
  readonly folder: MediaFolder;
  readonly identity: Pick<FolderIdentity, 'mismatch'>;
  /** Uploaded, and made from what was uploaded; paths relative to the media folder. */
  readonly files: readonly Orphans<string>[];
  readonly faces: Orphans<AuditReport['orphaned_faces'][number]>;
  readonly vectors: Orphans<AuditReport['orphaned_vectors'][number]>;
  readonly jobs: Orphans<AuditReport['orphaned_jobs'][number]>;
  readonly statuses: Orphans<AuditReport['orphaned_mqtt'][number]>;
  /** Milliseconds. */
  readonly now: () => number;
}

/** The maximum number of items of each kind in a report. A report with more says that it is incomplete. */
const MAX_ITEMS = 10_000;
/** More orphans than this, and more than this part of all files, need a confirmation. */
const MANY = 20;
const LARGE_SHARE = 0.1;

export class Audit {
  readonly #options: AuditOptions;
  readonly #running = new Map<boolean, Promise<AuditReport>>();

  constructor(options: AuditOptions) {
    this.#options = options;
  }

  /**
   * The kinds are searched at the same time, because most of the time is waiting for disks, the database and the broker.
   * A caller that asks while an audit of the same kind is running gets its report.
   * @param verify read every file and compare its digest
   */
  run(verify: boolean): Promise<AuditReport> {
    const running = this.#running.get(verify);
    if (running) return running;
    const audit = this.#run(verify).finally(() => this.#running.delete(verify));
    this.#running.set(verify, audit);
    return audit;
  }

  async #run(verify: boolean): Promise<AuditReport> {
    const { db, folder, files, faces, vectors, jobs, statuses, now } = this.#options;
    const [paths, { missing, damaged }, orphaned_faces, orphaned_vectors, orphaned_jobs, orphaned_mqtt] =
      await Promise.all([
        Promise.all(files.map((kind) => take(kind.find(), MAX_ITEMS))),
        findFileFaults(db, folder.blobs, verify, MAX_ITEMS),
        take(faces.find(), MAX_ITEMS),
        take(vectors.find(), MAX_ITEMS),
        take(jobs.find(), MAX_ITEMS),
        take(statuses.find(), MAX_ITEMS),
      ]);
    const report = {
      orphaned_files: paths
        .flat()
        .slice(0, MAX_ITEMS)
        .map((path) => ({ file_path: path, absolute_path: path })),
      orphaned_faces,
      orphaned_vectors,
      orphaned_jobs,
      orphaned_mqtt,
      missing_files: [...missing],
      damaged_files: [...damaged],
    };
    const truncated = Object.values(report).some((items) => items.length >= MAX_ITEMS);
    return { ...report, truncated, timestamp: now() };
  }

  /**
   * Removes every orphan; uploaded files are set aside first. Missing or damaged files are only reported: a person
   * must decide what to do.
   * @param confirmed true if an admin has confirmed the removal of many files
   * @throws HttpError 409 if the folder belongs to another database, or if the removal of many files is not confirmed
   */
  async clear(confirmed: boolean): Promise<CleanupReport> {
    const { identity, files, faces, vectors, jobs, statuses } = this.#options;
    const mismatch = await identity.mismatch();
    if (mismatch !== undefined) throw conflict(`Nothing was removed: ${mismatch}`, { code: 'storage_mismatch' });
    if (!confirmed) await this.#refuseMany();
    let removed = 0;
    for (const kind of files) removed += await removeAll(kind);
    return {
      files_deleted: removed,
      faces_deleted: await removeAll(faces),
      vectors_deleted: await removeAll(vectors),
      jobs_deleted: await removeAll(jobs),
      mqtt_cleared: await removeAll(statuses),
    };
  }

  /** Refuses to remove a large share of all files, because the cause is more likely a fault. */
  async #refuseMany(): Promise<void> {
    const { db, files } = this.#options;
    let found = 0;
    for (const kind of files) for await (const _ of kind.find()) found++;
    const { known } = await db
      .selectFrom('files')
      .select(({ fn }) => fn.countAll<number>().as('known'))
      .executeTakeFirstOrThrow();
    if (found <= MANY || found <= (known + found) * LARGE_SHARE) return;
    throw conflict(
      `${found} files belong to no row, beside ${known} that do. So many are more likely a fault than the truth: compare with GET /system/audit, then repeat with confirm=true to set them aside`,
      { code: 'confirm_needed', extra: { orphaned_files: found, known_files: known } },
    );
  }
}
