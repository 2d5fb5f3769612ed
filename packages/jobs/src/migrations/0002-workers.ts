import type { Migration } from '@cl-server/service-kit';

/** The tasks that workers can run. There are few rows, so there is no index. */
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
