/**
 * A new model's vectors are made behind the old ones. When every entity has its new vector, or has failed to get one, the
 * new ones answer searches, all at once, and the old ones go.
 */
import { type Kysely, sql } from 'kysely';
import type { VectorKind } from '../database/insight-tables.js';
import type { StoreTables } from '../database/tables.js';
import type { RunWrite } from '../database/transaction.js';
import { literal } from './status.js';
import type { WantedModels } from './wanted-models.js';

const TASK_OF: Readonly<Record<VectorKind, string>> = {
  clip: 'clip_embedding',
  dino: 'dino_embedding',
  face: 'face_embedding',
};
/** Old vectors removed in one transaction. */
const AT_ONCE = 500;

async function hasOpen(db: Kysely<StoreTables>, task: string, status: 'pending' | 'processing'): Promise<boolean> {
  const open = await db
    .selectFrom('inferences')
    .innerJoin('entities', 'entities.id', 'inferences.entity_id')
    .select('inferences.entity_id')
    .where('inferences.status', '=', literal(status))
    .where('inferences.task_type', '=', task)
    // The plus keeps SQLite from beginning with all entities that are not deleted.
    .where(sql<number>`+entities.is_deleted`, '=', 0)
    .limit(1)
    .executeTakeFirst();
  return open !== undefined;
}

/** @returns kinds whose model was switched now */
export async function switchModels(
  db: Kysely<StoreTables>,
  write: RunWrite,
  models: WantedModels,
): Promise<readonly VectorKind[]> {
  const switched: VectorKind[] = [];
  const active = await db.selectFrom('vector_models').selectAll().execute();
  for (const { kind, model } of active) {
    const wanted = models.of(TASK_OF[kind]);
    if (model === wanted) {
      await dropOthers(db, write, kind, model);
      continue;
    }
    const fresh = await db
      .selectFrom('vectors')
      .select('data')
      .where('kind', '=', kind)
      .where('model', '=', wanted)
      .limit(1)
      .executeTakeFirst();
    if (!fresh) continue;
    const task = TASK_OF[kind];
    if ((await hasOpen(db, task, 'processing')) || (await hasOpen(db, task, 'pending'))) continue;
    const dimension = fresh.data.length / 4;
    await write(null, async ({ db: trx, now }) => {
      await trx
        .updateTable('vector_models')
        .set({ model: wanted, dimension, updated_at: now })
        .where('kind', '=', kind)
        .execute();
    });
    switched.push(kind);
  }
  return switched;
}

/** One slice of the vectors that no search uses any more; the rest at the next turns. */
async function dropOthers(db: Kysely<StoreTables>, write: RunWrite, kind: VectorKind, model: string): Promise<void> {
  const old = db.selectFrom('vectors').select('id').where('kind', '=', kind).where('model', '!=', model).limit(AT_ONCE);
  if (!(await old.limit(1).executeTakeFirst())) return;
  await write(null, async ({ db: trx }) => {
    const ids = await trx
      .selectFrom('vectors')
      .select('id')
      .where('kind', '=', kind)
      .where('model', '!=', model)
      .limit(AT_ONCE)
      .execute();
    await trx
      .deleteFrom('vectors')
      .where(
        'id',
        'in',
        ids.map(({ id }) => id),
      )
      .execute();
  });
}
