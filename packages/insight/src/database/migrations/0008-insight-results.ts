import type { Migration } from '@cl-server/service-kit';
import { sql } from 'kysely';

/** Values of insights that have no table of their own, for example those of plugins. */
export const insight0008: Migration = {
  name: '0008_insight_results',
  up: async (db, dialect) => {
    await db.schema
      .createTable('insight_results')
      .addColumn('entity_id', sql`bigint not null references entities (id) on delete cascade`)
      .addColumn('insight', 'text', (column) => column.notNull())
      .addColumn('subject', 'text', (column) => column.notNull())
      .addColumn('value', 'text', (column) => column.notNull())
      .addColumn('updated_at', 'bigint', (column) => column.notNull())
      .addPrimaryKeyConstraint('insight_results_pk', ['entity_id', 'insight', 'subject'])
      .modifyEnd(dialect === 'sqlite' ? sql`without rowid` : sql``)
      .execute();
  },
};
