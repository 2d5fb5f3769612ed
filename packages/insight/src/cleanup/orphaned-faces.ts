/**
 * Faces whose crop is missing. The face itself stays, with the decisions of users about it: its detection runs again and
 * writes the crop.
 */
import type { BlobStore } from '@cl-server/blobs';
import type { AuditReport } from '@cl-server/contract';
import { FACE_DETECTION } from '../built-in/face-detection.js';
import { refreshKnown } from '../inferences/refresh-status.js';
import type { InsightDatabase, RunWrite } from '../port.js';
import type { Orphans } from './orphans.js';

const GROUP = 500;

type OrphanedFace = AuditReport['orphaned_faces'][number];

export class OrphanedFaces implements Orphans<OrphanedFace> {
  constructor(
    private readonly db: InsightDatabase,
    private readonly blobs: Pick<BlobStore, 'head'>,
    private readonly write: RunWrite,
  ) {}

  async *find(): AsyncGenerator<OrphanedFace> {
    for (let after = 0; ; ) {
      const rows = await this.db
        .selectFrom('faces')
        .select(['id as face_id', 'entity_id', 'file_path'])
        .where('id', '>', after)
        .orderBy('id')
        .limit(GROUP)
        .execute();
      for (const face of rows) if (face.file_path !== '' && (await this.#isLost(face))) yield face;
      const last = rows.at(-1);
      if (!last) return;
      after = last.face_id;
    }
  }

  /** Reads the row again, because a crop that was written a moment ago has another name. */
  async #isLost({ face_id, file_path }: { face_id: number; file_path: string }): Promise<boolean> {
    if (await this.blobs.head(file_path)) return false;
    const row = await this.db.selectFrom('faces').select('file_path').where('id', '=', face_id).executeTakeFirst();
    return row?.file_path === file_path;
  }

  remove({ face_id, entity_id, file_path }: OrphanedFace): Promise<boolean> {
    return this.write(null, async ({ db, now }) => {
      if (file_path === null || (await this.blobs.head(file_path))) return false;
      const { numUpdatedRows } = await db
        .updateTable('faces')
        .set({ file_path: '' })
        .where('id', '=', face_id)
        .where('file_path', '=', file_path)
        .executeTakeFirst();
      if (numUpdatedRows === 0n) return false;
      await db
        .updateTable('inferences')
        .set({ status: 'pending', not_before: now })
        .where('entity_id', '=', entity_id)
        .where('task_type', '=', FACE_DETECTION)
        .where('status', '=', 'completed')
        .execute();
      await refreshKnown(db, entity_id, now);
      return true;
    });
  }
}
