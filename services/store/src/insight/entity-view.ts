/** Gives the API of insight the entities of the store as clients see them. */
import type { EntityView } from '@cl-server/insight';
import type { Kysely } from 'kysely';
import type { StoreTables } from '../database/tables.js';
import type { EntityReader } from '../entities/reader.js';
import type { Streams } from '../streams/streams.js';

const BATCH_SIZE = 500;

export interface EntityViewOptions {
  readonly db: Kysely<StoreTables>;
  readonly reader: EntityReader;
  readonly matching: EntityView['matching'];
  readonly streams: Pick<Streams, 'status'>;
}

export function entityView({ db, reader, matching, streams }: EntityViewOptions): EntityView {
  return {
    async get(entityId) {
      const row = await reader.row(entityId);
      return { md5: row.md5, streamStatus: () => streams.status(row) };
    },
    async alive(ids) {
      const found = new Map<number, Awaited<ReturnType<EntityReader['view']>>>();
      const unique = [...new Set(ids)];
      for (let at = 0; at < unique.length; at += BATCH_SIZE) {
        const rows = await db
          .selectFrom('entities')
          .selectAll()
          .where('id', 'in', unique.slice(at, at + BATCH_SIZE))
          .where('is_deleted', '=', 0)
          .execute();
        for (const row of rows) found.set(row.id, await reader.view(row));
      }
      return found;
    },
    matching,
  };
}
