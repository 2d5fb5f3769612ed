import type { Migration } from '@cl-server/service-kit';

/** Adds sessions, and the feed of credentials that ended before their access tokens expired. */
export const sessions: Migration = {
  name: '0004_sessions',
  up: async (db, dialect) => {
    await db.schema
      .createTable('sessions')
      .addColumn('id', 'text', (column) => column.primaryKey())
      .addColumn('user_id', 'bigint', (column) => column.notNull())
      .addColumn('family_hash', 'text', (column) => column.notNull().unique())
      .addColumn('secret_hash', 'text', (column) => column.notNull())
      .addColumn('device', 'text', (column) => column.notNull())
      .addColumn('address', 'text', (column) => column.notNull())
      .addColumn('created_at', 'bigint', (column) => column.notNull())
      .addColumn('last_used_at', 'bigint', (column) => column.notNull())
      .addColumn('access_until', 'bigint', (column) => column.notNull())
      .execute();
    await db.schema.createIndex('sessions_user').on('sessions').columns(['user_id', 'last_used_at']).execute();
    await db.schema.createIndex('sessions_used').on('sessions').column('last_used_at').execute();
    await db.schema.createIndex('sessions_created').on('sessions').column('created_at').execute();

    // Positions only grow: a number is not assigned again after its row was removed.
    const ended = db.schema.createTable('ended_credentials');
    const withPosition =
      dialect === 'sqlite'
        ? ended.addColumn('seq', 'integer', (column) => column.primaryKey().autoIncrement())
        : ended.addColumn('seq', 'bigint', (column) => column.primaryKey().generatedAlwaysAsIdentity());
    await withPosition
      .addColumn('credential_id', 'text', (column) => column.notNull().unique())
      .addColumn('until', 'bigint', (column) => column.notNull())
      .execute();
    await db.schema.createIndex('ended_credentials_until').on('ended_credentials').column('until').execute();
  },
};
