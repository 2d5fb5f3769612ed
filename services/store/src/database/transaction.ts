/**
 * Every change of the store is one transaction under one lock, on PostgreSQL too. Checks of parents, duplicates and depth
 * therefore hold until the commit, `transaction_id` grows in the order of commits, and `added_date` grows with the id.
 * On SQLite nothing in a transaction waits for anything but the database, so the lock is never held across the event
 * loop.
 */
import type { Database } from '@cl-server/service-kit';
import type { Transaction } from 'kysely';
import type { CountersTable, StoreTables } from './tables.js';

export interface WriteTransaction {
  readonly db: Transaction<StoreTables>;
  /** Milliseconds. All changes of one transaction have the same time. */
  readonly now: number;
  /** The user who makes the change; null if unknown. */
  readonly actor: string | null;
  /** The number of this transaction, allocated at first use. */
  transactionId(): Promise<number>;
  /** Adds to a maintained counter. */
  count(name: Counter, by: number): Promise<void>;
  /** Notes that the storage of this user's entities has changed. */
  countedUse(user: string | null): void;
  /** Runs `work` after the commit, in order. The caller handles failures of `work`. */
  afterCommit(work: () => void): void;
}

export type Counter = 'entities' | 'entities_live' | 'roots' | 'roots_live' | 'bytes';

export type RunWrite = <T>(actor: string | null, work: (tx: WriteTransaction) => Promise<T>) => Promise<T>;

const LOCK = 'cl-server store write';

async function add(db: Transaction<StoreTables>, name: CountersTable['name'], by: number): Promise<number> {
  const row = await db
    .updateTable('store_counters')
    .set((eb) => ({ value: eb('value', '+', by) }))
    .where('name', '=', name)
    .returning('value')
    .executeTakeFirstOrThrow();
  return row.value;
}

export function writeTransactions(
  database: Database<StoreTables>,
  now: () => number,
  onUse: (users: ReadonlySet<string | null>) => Promise<void> = async () => undefined,
): RunWrite {
  return async (actor, work) => {
    const committed: (() => void)[] = [];
    const users = new Set<string | null>();
    const result = await database.kysely.transaction().execute(async (db) => {
      await database.adapter.lock(db, LOCK);
      let id: number | undefined;
      return work({
        db,
        now: now(),
        actor,
        transactionId: async () => {
          id ??= await add(db, 'transaction_id', 1);
          return id;
        },
        count: async (name, by) => {
          if (by !== 0) await add(db, name, by);
        },
        countedUse: (user) => void users.add(user),
        afterCommit: (after) => committed.push(after),
      });
    });
    for (const after of committed) after();
    if (users.size > 0) await onUse(users);
    return result;
  };
}
