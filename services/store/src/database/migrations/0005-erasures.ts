import type { Migration } from '@cl-server/service-kit';
import { sql } from 'kysely';

/**
 * What is to go with a deleted entity and lies outside of the transaction that deletes it: written in that transaction,
 * struck off when it is gone. The index tells for a job whether an inference still refers to it.
 */
export const store0005: Migration = {
  name: '0005_erasures',
  up: async (db) => {
    await db.schema
      .createTable('erasures')
      .addColumn('kind', 'text', (column) => column.notNull())
      .addColumn('target', 'text', (column) => column.notNull())
      .addColumn('noted_at', 'bigint', (column) => column.notNull())
      .addPrimaryKeyConstraint('erasures_pk', ['kind', 'target'])
      .execute();
    await sql`create index inferences_by_job on inferences (job_id) where job_id is not null`.execute(db);
  },
};
