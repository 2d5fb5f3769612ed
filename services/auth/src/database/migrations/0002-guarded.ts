import type { Migration } from '@cl-server/service-kit';
import { sql } from 'kysely';

type Db = Parameters<Migration['up']>[0];

/** Milliseconds for which nobody removes an entry of the audit table, whatever retention is set. */
const KEPT_AT_LEAST = 30 * 86_400_000;

async function letOldEntriesGoInSqlite(db: Db): Promise<void> {
  await sql`drop trigger audit_no_delete`.execute(db);
  await sql
    .raw(
      `create trigger audit_no_delete before delete on audit
       when old.at > unixepoch('subsec') * 1000 - ${KEPT_AT_LEAST}
       begin select raise(abort, 'audit is append-only'); end`,
    )
    .execute(db);
}

async function letOldEntriesGoInPostgres(db: Db): Promise<void> {
  await sql`drop trigger audit_append_only on audit`.execute(db);
  await sql`
    create trigger audit_append_only before update or truncate on audit
    for each statement execute function audit_is_append_only()`.execute(db);
  await sql`
    create trigger audit_keeps_young before delete on audit
    for each row when (old.at > extract(epoch from now()) * 1000 - ${sql.lit(KEPT_AT_LEAST)})
    execute function audit_is_append_only()`.execute(db);
}

/** Known networks of users, the age of revocations, and an audit table whose old entries may go. */
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
    // Rows that are there already count as written now.
    await db.schema
      .alterTable('revocations')
      .addColumn('at', 'bigint', (column) => column.notNull().defaultTo(Date.now()))
      .execute();
    await db.schema.createIndex('audit_at').on('audit').column('at').execute();
    await (dialect === 'sqlite' ? letOldEntriesGoInSqlite(db) : letOldEntriesGoInPostgres(db));
  },
};
