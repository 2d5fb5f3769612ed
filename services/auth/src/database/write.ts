import { sql, type Transaction } from 'kysely';
import type { AuthDatabase, AuthTables } from './tables.js';

/**
 * Runs a transaction that does not overlap with any other writer of users. Rules over several rows (one admin must remain)
 * and the order of the revocation feed depend on this. SQLite has one writer anyway; PostgreSQL takes an advisory lock.
 */
export function writeUsers<T>(database: AuthDatabase, work: (trx: Transaction<AuthTables>) => Promise<T>): Promise<T> {
  return database.kysely.transaction().execute(async (trx) => {
    if (database.dialect === 'postgres')
      await sql`select pg_advisory_xact_lock(hashtext(${`${database.schema}.users`}))`.execute(trx);
    return work(trx);
  });
}
