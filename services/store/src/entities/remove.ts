/**
 * Deletes permanently: an entity, all its descendants, their versions, and the contents that are no longer referred to.
 *
 * A large collection is removed in slices, the deepest entities first, so that no transaction takes long. Clients never see
 * a part of an entity: each slice removes whole entities, and the others are still in a collection in the trash.
 */
import { badRequest, notFound } from '@cl-server/service-kit';
import type { WriteTransaction } from '../database/transaction.js';
import { countUse } from '../database/usage.js';
import { noteEntities, noteErasures } from './erase/note.js';
import { recount } from './writer.js';

export interface RemovedSlice {
  readonly ids: readonly number[];
  readonly bytes: number;
  /** True if the entity itself was removed, so that nothing remains. */
  readonly isLast: boolean;
}

/** Most entities removed in one transaction. With their versions and contents this takes a few milliseconds. */
const SLICE_SIZE = 50;

interface Leaf {
  id: number;
  is_deleted: number;
  added_by: string | null;
  file_size: number | null;
}

/**
 * Removes one slice. It must be called until `isLast`.
 * @throws HttpError 404 if the entity does not exist, 400 if it is not in the trash
 */
export async function removeSlice(tx: WriteTransaction, id: number): Promise<RemovedSlice> {
  const target = await tx.db.selectFrom('entities').selectAll().where('id', '=', id).executeTakeFirst();
  if (!target) throw notFound(`Entity ${id} not found`);
  if (target.is_deleted !== 1)
    throw badRequest(
      `Cannot hard delete entity ${id}: entity must be soft-deleted first (is_deleted=True). ` +
        `Use PATCH /entities/${id} with is_deleted=true before hard deletion.`,
    );
  const ids: number[] = [];
  let bytes = 0;
  while (ids.length < SLICE_SIZE) {
    const { parentId, leaves } = await deepest(tx, id, SLICE_SIZE - ids.length);
    if (leaves.length === 0) {
      bytes += await dropRows(tx, [id]);
      await recount(tx, target, undefined);
      return { ids: [...ids, id], bytes, isLast: true };
    }
    const gone = leaves.map((leaf) => leaf.id);
    bytes += await dropRows(tx, gone);
    await uncount(tx, parentId, leaves);
    ids.push(...gone);
  }
  return { ids, bytes, isLast: false };
}

/** Some entities below `root` without children, all in one collection; none if `root` has no children. */
async function deepest(
  { db }: WriteTransaction,
  root: number,
  limit: number,
): Promise<{ readonly parentId: number; readonly leaves: readonly Leaf[] }> {
  for (let parentId = root; ; ) {
    const children = await db
      .selectFrom('entities')
      .select(['id', 'is_deleted', 'added_by', 'file_size'])
      .select(({ exists, selectFrom }) =>
        exists(selectFrom('entities as inner').select('inner.id').whereRef('inner.parent_id', '=', 'entities.id')).as(
          'has_children',
        ),
      )
      .where('parent_id', '=', parentId)
      .orderBy('id')
      .limit(limit)
      .execute();
    const inner = children.find(({ has_children }) => Boolean(has_children));
    if (!inner) return { parentId, leaves: children };
    parentId = inner.id;
  }
}

/** @returns the number of freed bytes */
async function dropRows(tx: WriteTransaction, ids: readonly number[]): Promise<number> {
  const contents = await tx.db
    .selectFrom('entity_versions')
    .select('sha256')
    .distinct()
    .where('entity_id', 'in', ids)
    .where('sha256', 'is not', null)
    .execute();
  await noteEntities(tx.db, ids, tx.now);
  await tx.db.deleteFrom('entity_versions').where('entity_id', 'in', ids).execute();
  await tx.db.deleteFrom('entities').where('id', 'in', ids).execute();
  return freeContents(
    tx,
    contents.flatMap(({ sha256 }) => sha256 ?? []),
  );
}

/** Subtracts removed children from every count. */
async function uncount(tx: WriteTransaction, parentId: number, leaves: readonly Leaf[]): Promise<void> {
  const live = leaves.filter((leaf) => leaf.is_deleted === 0).length;
  await tx.db
    .updateTable('entities')
    .set((eb) => ({
      children_total: eb('children_total', '-', leaves.length),
      children_live: eb('children_live', '-', live),
    }))
    .where('id', '=', parentId)
    .execute();
  await tx.count('entities', -leaves.length);
  await tx.count('entities_live', -live);
  for (const user of new Set(leaves.map((leaf) => leaf.added_by))) {
    const own = leaves.filter((leaf) => leaf.added_by === user);
    await countUse(tx, user, -own.length, -own.reduce((sum, leaf) => sum + (leaf.file_size ?? 0), 0));
  }
}

/** Contents checked in one statement, because an entity may have had very many contents. */
const CONTENTS_PER_QUERY = 500;

/** Deletes the rows of contents that no version refers to; their files are removed after the commit. @returns freed bytes */
async function freeContents(tx: WriteTransaction, digests: readonly string[]): Promise<number> {
  let bytes = 0;
  for (let at = 0; at < digests.length; at += CONTENTS_PER_QUERY) {
    const freed = await tx.db
      .deleteFrom('files')
      .where('sha256', 'in', digests.slice(at, at + CONTENTS_PER_QUERY))
      .where(({ not, exists, selectFrom }) =>
        not(
          exists(
            selectFrom('entity_versions').select('version').whereRef('entity_versions.sha256', '=', 'files.sha256'),
          ),
        ),
      )
      .returning(['path', 'sha256', 'file_size'])
      .execute();
    if (freed.length === 0) continue;
    await tx.db
      .insertInto('pending_removals')
      .values(freed.map(({ path, sha256 }) => ({ path, sha256, created_at: tx.now })))
      .onConflict((conflict) => conflict.column('path').doNothing())
      .execute();
    await noteErasures(
      tx.db,
      'content',
      freed.map(({ sha256 }) => sha256),
      tx.now,
    );
    bytes += freed.reduce((sum, { file_size }) => sum + file_size, 0);
  }
  await tx.count('bytes', -bytes);
  return bytes;
}
