import { sql, type Transaction } from 'kysely';
import type { AuthDatabase, AuthTables } from './tables.js';

/**
 * A transaction that no other writer of users overlaps. Rules over several rows (the last admin stays) and the feed's
 * order hold only so; SQLite has one writer anyway, in PostgreSQL a lock makes it one.
 */
export function writeUsers<T>(database: AuthDatabase, work: (trx: Transaction<AuthTables>) => Promise<T>): Promise<T> {
  return database.kysely.transaction().execute(async (trx) => {
    if (database.dialect === 'postgres')
      await sql`select pg_advisory_xact_lock(hashtext(${`${database.schema}.users`}))`.execute(trx);
    return work(trx);
  });
}
