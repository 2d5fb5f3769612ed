/** Maintains counts: the children of each collection, all entities, and the storage of each user. */
import type { EntityRow } from '../database/tables.js';
import type { WriteTransaction } from '../database/transaction.js';
import { countUse } from '../database/usage.js';

/** The columns that decide in which counts an entity is included. */
export type Counted = Pick<EntityRow, 'parent_id' | 'is_deleted' | 'added_by' | 'file_size'>;

async function countAt(tx: WriteTransaction, { parent_id, is_deleted }: Counted, by: 1 | -1): Promise<void> {
  const live = is_deleted === 1 ? 0 : by;
  if (parent_id === null) {
    await tx.count('roots', by);
    await tx.count('roots_live', live);
    return;
  }
  await tx.db
    .updateTable('entities')
    .set((eb) => ({
      children_total: eb('children_total', '+', by),
      children_live: eb('children_live', '+', live),
    }))
    .where('id', '=', parent_id)
    .execute();
}

/** @param from absent for a new entity @param to absent for an entity that is removed */
export async function recount(tx: WriteTransaction, from: Counted | undefined, to: Counted | undefined): Promise<void> {
  const entities = (to ? 1 : 0) - (from ? 1 : 0);
  await countUse(tx, (to ?? from)?.added_by ?? null, entities, (to?.file_size ?? 0) - (from?.file_size ?? 0));
  if (from && to && from.parent_id === to.parent_id && from.is_deleted === to.is_deleted) return;
  if (from) await countAt(tx, from, -1);
  if (to) await countAt(tx, to, 1);
  await tx.count('entities', entities);
  await tx.count('entities_live', (to?.is_deleted === 0 ? 1 : 0) - (from?.is_deleted === 0 ? 1 : 0));
}
