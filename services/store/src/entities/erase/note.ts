/** Records in the deleting transaction what must be removed afterwards, so that nothing is forgotten if the process dies. */
import { jobsOf } from '@cl-server/insight';
import type { Transaction } from 'kysely';
import type { ErasureRow, StoreTables } from '../../database/tables.js';

type Db = Transaction<StoreTables>;

/** The maximum number of rows in one statement. */
const MAX_ROWS = 500;

export async function noteErasures(
  db: Db,
  kind: ErasureRow['kind'],
  targets: readonly (string | number)[],
  now: number,
): Promise<void> {
  for (let at = 0; at < targets.length; at += MAX_ROWS)
    await db
      .insertInto('erasures')
      .values(targets.slice(at, at + MAX_ROWS).map((target) => ({ kind, target: String(target), noted_at: now })))
      .onConflict((conflict) => conflict.columns(['kind', 'target']).doUpdateSet({ noted_at: now }))
      .execute();
}

/** Records the jobs of the insights of entities whose file is replaced. */
export const noteJobsOf = async (db: Db, entityIds: readonly number[], now: number): Promise<void> =>
  noteErasures(db, 'job', await jobsOf(db, entityIds), now);

/** Records entities that are deleted for good in this transaction. */
export async function noteEntities(db: Db, entityIds: readonly number[], now: number): Promise<void> {
  await noteJobsOf(db, entityIds, now);
  await noteErasures(db, 'entity', entityIds, now);
}
