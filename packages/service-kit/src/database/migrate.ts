/**
 * Forward-only migrations: all pending ones in one transaction, under a lock, so that two processes that start at once do
 * not disturb each other and a failed one leaves nothing.
 */
import { messageOf } from '@cl-server/kit';
import { type Kysely, sql, type Transaction } from 'kysely';
import { StartupError } from '../errors.js';
import type { SqlDialect } from './adapter.js';
import type { AnyDatabase } from './database.js';

export interface Migration {
  /** Sorts by time: `0001_users`. Never renamed once released. */
  readonly name: string;
  /** @param isNew nothing of this set was applied before this run: the database holds no data of an earlier release */
  // biome-ignore lint/suspicious/noExplicitAny: a migration works on the tables of its own day, not on today's types
  up(db: Transaction<any>, dialect: SqlDialect, isNew: boolean): Promise<void>;
}

export interface MigrationSet {
  /** Table that records which migrations were applied. Its name must not change after the first release. */
  readonly table: `migrations_${string}`;
  readonly migrations: readonly Migration[];
  /** Command that a person runs to apply them, for the message of a service that refuses to start. */
  readonly command: string;
}

interface Applied {
  name: string;
  applied_at: number;
}
type LogTables = Record<string, Applied>;

async function applied(db: Kysely<LogTables>, table: string): Promise<Set<string>> {
  const rows = await db.selectFrom(table).select('name').execute();
  return new Set(rows.map((row) => row.name));
}

/**
 * Brings a database to the newest schema.
 * @returns the names of the migrations applied now
 */
export async function migrate(
  database: AnyDatabase,
  set: MigrationSet,
  now: () => number = Date.now,
): Promise<readonly string[]> {
  if (database.dialect === 'sqlite') return applyPending(database, set, now);
  // A migration of a large table takes longer than any statement of a request may.
  const patient = database.patient();
  try {
    return await applyPending(patient, set, now);
  } finally {
    await patient.close();
  }
}

async function applyPending(
  database: AnyDatabase,
  { table, migrations }: MigrationSet,
  now: () => number,
): Promise<readonly string[]> {
  const db = database.kysely as Kysely<LogTables>;
  if (database.dialect === 'postgres')
    await sql`create schema if not exists ${sql.id(database.schema)}`.execute(db).catch((error) => {
      // Two first starts at once: the loser finds the schema made.
      if (!/duplicate key|already exists/.test(messageOf(error))) throw error;
    });
  return db.transaction().execute(async (trx) => {
    if (database.dialect === 'postgres')
      await sql`select pg_advisory_xact_lock(hashtext(${`${database.schema}.${table}`}))`.execute(trx);
    await trx.schema
      .createTable(table)
      .ifNotExists()
      .addColumn('name', 'text', (column) => column.primaryKey())
      .addColumn('applied_at', 'bigint', (column) => column.notNull())
      .execute();
    const done = await applied(trx, table);
    const pending = migrations.filter(({ name }) => !done.has(name));
    for (const migration of pending) {
      await migration.up(trx, database.dialect, done.size === 0);
      await trx.insertInto(table).values({ name: migration.name, applied_at: now() }).execute();
    }
    return pending.map(({ name }) => name);
  });
}

/**
 * Checks that every migration was applied.
 * @throws StartupError naming the command to run
 */
export async function assertMigrated(
  database: AnyDatabase,
  { table, migrations, command }: MigrationSet,
): Promise<void> {
  const done = await applied(database.kysely as Kysely<LogTables>, table).catch(() => new Set<string>());
  const missing = migrations.filter(({ name }) => !done.has(name));
  if (missing.length > 0)
    throw new StartupError(
      `the database lacks ${missing.length} migration${missing.length > 1 ? 's' : ''} (${missing.map(({ name }) => name).join(', ')}): run "${command}" first`,
    );
}

/** Prepares the tables of a service at its start: applies pending migrations if `apply` is set, and refuses to start otherwise. */
export const prepareTables = async (database: AnyDatabase, set: MigrationSet, apply: boolean): Promise<void> => {
  if (apply) await migrate(database, set);
  await assertMigrated(database, set);
};
