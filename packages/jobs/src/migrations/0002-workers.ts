import type { Migration } from '@cl-server/service-kit';

/** What workers can run, where no broker tells it; a few rows, so no index. */
export const jobs0002: Migration = {
  name: '0002_workers',
  up: async (db) => {
    await db.schema
      .createTable('workers')
      .addColumn('worker_id', 'text', (column) => column.primaryKey())
      .addColumn('capabilities', 'text', (column) => column.notNull())
      .addColumn('seen_at', 'bigint', (column) => column.notNull())
      .execute();
  },
};
