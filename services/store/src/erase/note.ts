/** Notes, in the transaction that deletes, what has to go afterwards: a process that dies in between loses nothing. */
import type { Transaction } from 'kysely';
import type { ErasureRow, StoreTables } from '../database/tables.js';

type Db = Transaction<StoreTables>;

/** Rows in one statement. */
const AT_ONCE = 500;

export async function noteErasures(
  db: Db,
  kind: ErasureRow['kind'],
  targets: readonly (string | number)[],
  now: number,
): Promise<void> {
  for (let at = 0; at < targets.length; at += AT_ONCE)
    await db
      .insertInto('erasures')
      .values(targets.slice(at, at + AT_ONCE).map((target) => ({ kind, target: String(target), noted_at: now })))
      .onConflict((conflict) => conflict.columns(['kind', 'target']).doUpdateSet({ noted_at: now }))
      .execute();
}

/** The jobs that look at these entities, waiting, running or ended: each has a copy of the file, or had. */
export async function noteJobsOf(db: Db, entityIds: readonly number[], now: number): Promise<void> {
  const rows = await db
    .selectFrom('inferences')
    .select('job_id')
    .where('entity_id', 'in', [...entityIds])
    .where('job_id', 'is not', null)
    .execute();
  const jobs = rows.flatMap(({ job_id }) => job_id ?? []);
  await noteErasures(db, 'job', jobs, now);
}

/** Entities that are deleted for good in this transaction. */
export async function noteEntities(db: Db, entityIds: readonly number[], now: number): Promise<void> {
  await noteJobsOf(db, entityIds, now);
  await noteErasures(db, 'entity', entityIds, now);
}
