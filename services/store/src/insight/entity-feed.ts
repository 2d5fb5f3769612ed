/** Gives the insight worker access to the entities of the store and their changes. */
import path from 'node:path';
import type { BlobStore } from '@cl-server/blobs';
import type { EntityFeed } from '@cl-server/insight';
import type { Database } from '@cl-server/service-kit';
import type { Kysely, RawBuilder, Transaction } from 'kysely';
import { sql } from 'kysely';
import type { StoreTables } from '../database/tables.js';
import { noteErasures } from '../entities/erase/note.js';
import { noteDamage } from '../files/late-facts.js';

const media = (db: Kysely<StoreTables> | Transaction<StoreTables>) =>
  db
    .selectFrom('entities')
    .select(['id', 'type', 'sha256', 'version'])
    .select(sql<number>`1 - is_deleted`.as('alive'))
    .where('is_collection', '=', 0);

const asFed = ({
  alive,
  ...row
}: {
  id: number;
  type: string | null;
  sha256: string | null;
  version: number;
  alive: number;
}) => ({
  ...row,
  isAlive: alive === 1,
});

const condition = (id: RawBuilder<unknown>, also: RawBuilder<unknown>): RawBuilder<boolean> =>
  sql<boolean>`exists (select 1 from entities where entities.id = ${id}${also})`;

export function entityFeed(
  { kysely: db, adapter }: Pick<Database<StoreTables>, 'kysely' | 'adapter'>,
  blobs: Pick<BlobStore, 'localFile'>,
): EntityFeed {
  const notDeleted = sql`${adapter.withoutIndex(sql.ref('entities.is_deleted'))} = 0`;
  return {
    async changedSince(transaction, limit) {
      const rows = await db
        .selectFrom('entity_versions')
        .select(['transaction_id', 'entity_id'])
        .where('transaction_id', '>', transaction)
        .orderBy('transaction_id')
        .limit(limit)
        .execute();
      const ids = [...new Set(rows.map(({ entity_id }) => entity_id))];
      return { ids, last: rows.at(-1)?.transaction_id ?? transaction };
    },
    async page(types, afterId, limit) {
      const rows = await media(db)
        .where('type', 'in', [...types])
        .where('is_deleted', '=', 0)
        .where('id', '>', afterId)
        .orderBy('id')
        .limit(limit)
        .execute();
      return rows.map(asFed);
    },
    async find(ids, trx) {
      if (ids.length === 0) return [];
      const rows = await media(trx ?? db)
        .where('id', 'in', [...ids])
        .execute();
      return rows.map(asFed);
    },
    async content(entityId) {
      const row = await db
        .selectFrom('entities')
        .innerJoin('files', 'files.sha256', 'entities.sha256')
        .select(['files.path', 'files.file_size', 'files.sha256'])
        .where('entities.id', '=', entityId)
        .executeTakeFirst();
      return (
        row && {
          path: await blobs.localFile(row.path),
          name: path.basename(row.path),
          size: row.file_size,
          sha256: row.sha256,
        }
      );
    },
    isAlive: (id) => condition(id, sql` and ${notDeleted}`),
    hasContent: (id, sha256) => condition(id, sql` and ${notDeleted} and entities.sha256 = ${sha256}`),
    exists: (id) => condition(id, sql``),
    // No event here: the state of the entity is published after the result is stored.
    noteDamage: (tx, sha256, remark) => noteDamage(tx, sha256, remark, () => undefined),
    eraseJobs: (trx, jobIds, now) => noteErasures(trx, 'job', jobIds, now),
  };
}
