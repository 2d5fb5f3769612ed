import type { Migration } from '@cl-server/service-kit';

/** Why a worker cannot run some of its tasks, beside what it can. */
export const jobs0004: Migration = {
  name: '0004_worker_lacks',
  up: async (db) => {
    await db.schema
      .alterTable('workers')
      .addColumn('unavailable', 'text', (column) => column.notNull().defaultTo('{}'))
      .execute();
  },
};
