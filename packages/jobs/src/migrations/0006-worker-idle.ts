import type { Migration } from '@cl-server/service-kit';

/** How many jobs a worker could start, beside what it can run; null while it starts. */
export const jobs0006: Migration = {
  name: '0006_worker_idle',
  up: async (db) => {
    await db.schema.alterTable('workers').addColumn('idle_count', 'integer').execute();
  },
};
