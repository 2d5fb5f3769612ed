import type { Migration } from '@cl-server/service-kit';
import { sql } from 'kysely';

type Db = Parameters<Migration['up']>[0];

/** An audit entry cannot be deleted before this age in milliseconds, whatever retention is configured. */
const MIN_RETENTION_MS = 30 * 86_400_000;

async function allowDeletingOldEntriesInSqlite(db: Db): Promise<void> {
  await sql`drop trigger audit_no_delete`.execute(db);
  await sql
    .raw(
      `create trigger audit_no_delete before delete on audit
       when old.at > unixepoch('subsec') * 1000 - ${MIN_RETENTION_MS}
       begin select raise(abort, 'audit is append-only'); end`,
    )
    .execute(db);
}

async function allowDeletingOldEntriesInPostgres(db: Db): Promise<void> {
  await sql`drop trigger audit_append_only on audit`.execute(db);
  await sql`
    create trigger audit_append_only before update or truncate on audit
    for each statement execute function audit_is_append_only()`.execute(db);
  await sql`
    create trigger audit_keeps_young before delete on audit
    for each row when (old.at > extract(epoch from now()) * 1000 - ${sql.lit(MIN_RETENTION_MS)})
    execute function audit_is_append_only()`.execute(db);
}

/** Adds the known networks of users and the age of revocations, and allows old audit entries to be deleted. */
export const guarded: Migration = {
  name: '0002_guarded',
  up: async (db, dialect) => {
    await db.schema
      .createTable('known_networks')
      .addColumn('user_id', 'bigint', (column) => column.notNull())
      .addColumn('network', 'text', (column) => column.notNull())
      .addColumn('last_success', 'bigint', (column) => column.notNull())
      .addPrimaryKeyConstraint('known_networks_pk', ['user_id', 'network'])
      .execute();
    // Existing rows count as written now.
    await db.schema
      .alterTable('revocations')
      .addColumn('at', 'bigint', (column) => column.notNull().defaultTo(Date.now()))
      .execute();
    await db.schema.createIndex('audit_at').on('audit').column('at').execute();
    await (dialect === 'sqlite' ? allowDeletingOldEntriesInSqlite(db) : allowDeletingOldEntriesInPostgres(db));
  },
};
