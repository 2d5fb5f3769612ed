/** Maintained counts: children of each collection, and entities in all. */
import type { WriteTransaction } from '../database/transaction.js';

/** Where an entity is counted. */
export interface Place {
  readonly parent_id: number | null;
  readonly is_deleted: number;
}

async function countAt(tx: WriteTransaction, { parent_id, is_deleted }: Place, by: 1 | -1): Promise<void> {
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

/** @param from absent for a new entity @param to absent for one that goes */
export async function recount(tx: WriteTransaction, from: Place | undefined, to: Place | undefined): Promise<void> {
  if (from && to && from.parent_id === to.parent_id && from.is_deleted === to.is_deleted) return;
  if (from) await countAt(tx, from, -1);
  if (to) await countAt(tx, to, 1);
  await tx.count('entities', (to ? 1 : 0) - (from ? 1 : 0));
  await tx.count('entities_live', (to?.is_deleted === 0 ? 1 : 0) - (from?.is_deleted === 0 ? 1 : 0));
}
