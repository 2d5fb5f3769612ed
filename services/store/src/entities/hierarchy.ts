/** Checks which parent an entity may have. The checks run under the write lock, so their result holds until the commit. */
import { sql } from 'kysely';
import type { WriteTransaction } from '../database/transaction.js';

/** The maximum number of levels of the tree; a root is level 1. */
export const MAX_DEPTH = 10;

/** Makes the error of a refusal, because POST and PUT answer with different statuses. */
export type Refuse = (detail: string) => Error;

interface Ancestor {
  id: number;
  is_collection: number;
  is_deleted: number;
}

/** The entity itself, then its parent, and so on up to its root. */
async function lineage({ db }: WriteTransaction, id: number): Promise<readonly Ancestor[]> {
  const { rows } = await sql<Ancestor>`
    with recursive up (id, parent_id, is_collection, is_deleted, level) as (
      select id, parent_id, is_collection, is_deleted, 1 from entities where id = ${id}
      union all
      select e.id, e.parent_id, e.is_collection, e.is_deleted, up.level + 1
        from entities e join up on e.id = up.parent_id where up.level <= ${MAX_DEPTH * 2}
    ) select id, is_collection, is_deleted from up order by level`.execute(db);
  return rows;
}

/** The number of levels that an entity and its descendants take. */
async function height({ db }: WriteTransaction, id: number): Promise<number> {
  const { rows } = await sql<{ height: number }>`
    with recursive down (id, children, level) as (
      select id, children_total, 1 from entities where id = ${id}
      union all
      select e.id, e.children_total, down.level + 1
        from entities e join down on e.parent_id = down.id where e.is_collection = 1 and down.level <= ${MAX_DEPTH * 2}
    ) select max(level + case when children > 0 then 1 else 0 end) as height from down`.execute(db);
  return rows[0]?.height ?? 1;
}

/**
 * @param entityId the entity that moves; absent for a new one
 * @throws the error made by `refuse` if the entity cannot have this parent
 */
export async function assertParent(
  tx: WriteTransaction,
  parentId: number,
  entityId: number | undefined,
  refuse: Refuse,
): Promise<void> {
  const above = await lineage(tx, parentId);
  const [parent] = above;
  const because = (reason: string): Error => refuse(`Cannot set parent_id to ${parentId}: ${reason}`);
  if (!parent) throw because('parent entity does not exist');
  if (parent.is_collection !== 1)
    throw because(`parent entity must be a collection. Entity ${parentId} is not a collection.`);
  if (parent.is_deleted === 1) throw because('parent entity is deleted');
  if (entityId !== undefined && above.some(({ id }) => id === entityId))
    throw refuse(`Circular hierarchy detected: entity ${parentId} is already a descendant of ${entityId}`);
  const below = entityId === undefined ? 1 : await height(tx, entityId);
  if (above.length + below > MAX_DEPTH)
    throw refuse(`Maximum hierarchy depth exceeded. Max allowed depth is ${MAX_DEPTH} levels.`);
}
