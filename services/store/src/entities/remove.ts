/** Removal for good: an entity, all that lies in it, their histories, and the contents that nothing refers to then. */
import { badRequest } from '@cl-server/runtime';
import { sql } from 'kysely';
import type { WriteTransaction } from '../database/transaction.js';
import { countUse } from '../database/usage.js';
import { recount } from './counts.js';
import { findRow } from './writer.js';

export interface Removed {
  /** The entity first, then what lay in it. */
  readonly ids: readonly number[];
  readonly bytes: number;
}

const CHUNK = 500;

const subtree = (id: number) => sql<{ id: number }>`
  with recursive down (id) as (
    select id from entities where id = ${id}
    union
    select e.id from entities e join down on e.parent_id = down.id
  ) select id from down`;

/**
 * @throws HttpError 404 missing, 400 where the entity was not deleted before
 */
export async function removeEntity(tx: WriteTransaction, id: number): Promise<Removed> {
  const target = await findRow(tx, id);
  if (target.is_deleted !== 1)
    throw badRequest(
      `Cannot hard delete entity ${id}: entity must be soft-deleted first (is_deleted=True). ` +
        `Use PATCH /entities/${id} with is_deleted=true before hard deletion.`,
    );
  const ids = (await subtree(id).execute(tx.db)).rows.map((row) => row.id);
  const { rows: contents } = await sql<{ sha256: string }>`
    select distinct sha256 from entity_versions
    where entity_id in (${subtree(id)}) and sha256 is not null`.execute(tx.db);
  const { rows: owners } = await sql<{ added_by: string | null; n: number; live: number; bytes: number }>`
    select added_by, count(*) as n, sum(1 - is_deleted) as live, coalesce(sum(file_size), 0) as bytes from entities
    where id in (${subtree(id)}) and id <> ${id} group by added_by`.execute(tx.db);
  await sql`delete from entity_versions where entity_id in (${subtree(id)})`.execute(tx.db);
  await sql`delete from entities where id in (${subtree(id)})`.execute(tx.db);
  await recount(tx, target, undefined);
  for (const { added_by, n, live, bytes } of owners) {
    await countUse(tx, added_by, -n, -bytes);
    await tx.count('entities', -n);
    await tx.count('entities_live', -live);
  }
  const bytes = await freeContents(
    tx,
    contents.map((row) => row.sha256),
  );
  return { ids, bytes };
}

/** Drops the rows of contents that no version refers to; their files are removed after the commit. @returns bytes */
export async function freeContents(tx: WriteTransaction, digests: readonly string[]): Promise<number> {
  let bytes = 0;
  for (let at = 0; at < digests.length; at += CHUNK) {
    const part = digests.slice(at, at + CHUNK);
    const freed = await tx.db
      .deleteFrom('files')
      .where('sha256', 'in', part)
      .where(({ not, exists, selectFrom }) =>
        not(
          exists(
            selectFrom('entity_versions').select('version').whereRef('entity_versions.sha256', '=', 'files.sha256'),
          ),
        ),
      )
      .returning(['path', 'sha256', 'file_size'])
      .execute();
    for (const { path, sha256, file_size } of freed) {
      bytes += file_size;
      await tx.count('bytes', -file_size);
      await tx.db
        .insertInto('pending_removals')
        .values({ path, sha256, created_at: tx.now })
        .onConflict((conflict) => conflict.column('path').doNothing())
        .execute();
    }
  }
  return bytes;
}
