/** Empties the trash: entities that were deleted long ago are removed permanently. */
import type { PurgeReport } from '@cl-server/contract';
import { HttpError } from '@cl-server/service-kit';
import type { Kysely } from 'kysely';
import type { StoreTables } from '../database/tables.js';
import type { EntityService, User } from '../entities/service.js';

const BATCH = 200;

/**
 * Each entity has its own transaction, so that a large trash blocks nobody for long.
 * @param before milliseconds; entities that were deleted earlier are removed
 */
export async function purgeTrash(
  db: Kysely<StoreTables>,
  entities: EntityService,
  user: User,
  before: number,
): Promise<PurgeReport> {
  const report = { entities_deleted: 0, bytes_freed: 0 };
  let after = 0;
  for (;;) {
    const rows = await db
      .selectFrom('entities')
      .select('id')
      .where('deleted_at', 'is not', null)
      .where('deleted_at', '<=', before)
      .where('id', '>', after)
      .orderBy('id')
      .limit(BATCH)
      .execute();
    if (rows.length === 0) return report;
    for (const { id } of rows) {
      after = id;
      const gone = await entities.remove(user, id).catch((error: unknown) => {
        // It was removed with its collection, or restored, a moment ago.
        if (error instanceof HttpError && error.status < 500) return { entities: 0, bytes: 0 };
        throw error;
      });
      report.entities_deleted += gone.entities;
      report.bytes_freed += gone.bytes;
    }
  }
}
