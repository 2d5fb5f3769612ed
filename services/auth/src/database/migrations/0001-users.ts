import type { Migration } from '@cl-server/service-kit';
import { sql } from 'kysely';

export const users: Migration = {
  name: '0001_users',
  up: async (db, dialect) => {
    /** Creates a table whose ids only grow: no id is assigned twice, even after the last row was deleted. */
    const createTable = (name: string, id: string) => {
      const table = db.schema.createTable(name);
      return dialect === 'sqlite'
        ? table.addColumn(id, 'integer', (column) => column.primaryKey().autoIncrement())
        : table.addColumn(id, 'bigint', (column) => column.primaryKey().generatedAlwaysAsIdentity());
    };

    await createTable('users', 'id')
      .addColumn('username', 'text', (column) => column.notNull().unique())
      .addColumn('password_hash', 'text', (column) => column.notNull())
      .addColumn('is_admin', 'integer', (column) => column.notNull())
      .addColumn('is_active', 'integer', (column) => column.notNull())
      .addColumn('permissions', 'text', (column) => column.notNull())
      .addColumn('token_version', 'bigint', (column) => column.notNull())
      .addColumn('created_at', 'bigint', (column) => column.notNull())
      .execute();

    await createTable('revocations', 'seq')
      .addColumn('user_id', 'bigint', (column) => column.notNull().unique())
      .addColumn('min_version', 'bigint', (column) => column.notNull())
      .execute();

    await createTable('audit', 'id')
      .addColumn('at', 'bigint', (column) => column.notNull())
      .addColumn('action', 'text', (column) => column.notNull())
      .addColumn('actor_id', 'bigint')
      .addColumn('actor', 'text')
      .addColumn('target_id', 'bigint')
      .addColumn('target', 'text')
      .addColumn('address', 'text')
      .addColumn('details', 'text', (column) => column.notNull())
      .execute();
    await db.schema.createIndex('audit_action').on('audit').columns(['action', 'id']).execute();
    await db.schema.createIndex('audit_actor').on('audit').columns(['actor_id', 'id']).execute();
    await db.schema.createIndex('audit_target').on('audit').columns(['target_id', 'id']).execute();

    if (dialect === 'sqlite') {
      for (const event of ['update', 'delete'])
        await sql
          .raw(
            `create trigger audit_no_${event} before ${event} on audit begin select raise(abort, 'audit is append-only'); end`,
          )
          .execute(db);
      return;
    }
    await sql`
      create function audit_is_append_only() returns trigger language plpgsql
      as $$ begin raise exception 'audit is append-only'; end $$`.execute(db);
    await sql`
      create trigger audit_append_only before update or delete or truncate on audit
      for each statement execute function audit_is_append_only()`.execute(db);
  },
};
