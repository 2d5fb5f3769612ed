import type { Migration } from '@cl-server/service-kit';
import { sql } from 'kysely';

/**
 * The list of things that must be removed with a deleted entity but lie outside of its transaction. Rows are written in
 * that transaction and deleted when the removal is done. The index finds the inference that still refers to a job.
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
