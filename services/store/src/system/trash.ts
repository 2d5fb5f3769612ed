/** Empties the trash: what was deleted long ago goes for good. */
import type { PurgeReport } from '@cl-server/contract';
import { HttpError } from '@cl-server/service-kit';
import type { Kysely } from 'kysely';
import type { StoreTables } from '../database/tables.js';
import type { EntityService, User } from '../entities/service.js';

const BATCH = 200;

/**
 * One transaction for each entity, so that a large trash blocks nobody for long.
 * @param before milliseconds: what was deleted earlier goes
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
        // It went with its collection, or was restored, a moment ago.
        if (error instanceof HttpError && error.status < 500) return { entities: 0, bytes: 0 };
        throw error;
      });
      report.entities_deleted += gone.entities;
      report.bytes_freed += gone.bytes;
    }
  }
}
