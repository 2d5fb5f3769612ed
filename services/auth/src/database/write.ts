import type { Transaction } from 'kysely';
import type { AuthDatabase, AuthTables } from './tables.js';

/**
 * Runs a transaction that does not overlap with any other writer of users. Rules over several rows (one admin must remain)
 * and the order of the revocation feed depend on this.
 */
export function writeUsers<T>(database: AuthDatabase, work: (trx: Transaction<AuthTables>) => Promise<T>): Promise<T> {
  return database.kysely.transaction().execute(async (trx) => {
    await database.adapter.lock(trx, 'auth.users');
    return work(trx);
  });
}
