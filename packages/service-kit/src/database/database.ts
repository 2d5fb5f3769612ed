/**
 * One way to a database, whichever it is: `sqlite:///path` or `postgres://…`.
 *
 * Rules that keep one schema true on both: times are integers in milliseconds, booleans are 0/1 integers, JSON is text.
 * Hot paths may use the bare handle (`sqlite`, `pool`); everything else goes through Kysely.
 */
import path from 'node:path';
import type BetterSqlite3 from 'better-sqlite3';
import { type Kysely, sql } from 'kysely';
import type pg from 'pg';
import { StartupError } from '../errors.js';
import { openPostgres } from './postgres.js';
import { openSqlite } from './sqlite.js';

export type SqlDialect = 'sqlite' | 'postgres';

interface DatabaseBase<Tables> {
  readonly kysely: Kysely<Tables>;
  close(): Promise<void>;
}
export interface SqliteDatabase<Tables> extends DatabaseBase<Tables> {
  readonly dialect: 'sqlite';
  readonly sqlite: BetterSqlite3.Database;
  readonly file: string;
  /**
   * Runs synchronous work on the bare handle while no Kysely transaction is open on it. Hot writes go this way: the
   * write lock is then never held across an await, so no other process waits for this one's event loop.
   */
  exclusive<T>(work: (sqlite: BetterSqlite3.Database) => T): Promise<T>;
}
export interface PostgresDatabase<Tables> extends DatabaseBase<Tables> {
  readonly dialect: 'postgres';
  readonly pool: pg.Pool;
  /** Tables of this database lie in this schema; it is first in the search path. */
  readonly schema: string;
  /** The same database with one connection and no limit on a statement's time, for migrations. The caller closes it. */
  patient(): PostgresDatabase<Tables>;
}
export type Database<Tables> = SqliteDatabase<Tables> | PostgresDatabase<Tables>;

/** A database whatever its tables. */
// biome-ignore lint/suspicious/noExplicitAny: Kysely is invariant in its tables, so no other type takes them all
export type AnyDatabase = Database<any>;

export interface DatabaseOptions {
  /** PostgreSQL schema of the tables; SQLite has none. */
  readonly schema: string;
  /** `full` waits for the disk at each commit: for jobs and entities. SQLite only. */
  readonly synchronous?: 'full' | 'normal';
  /** Connections of a PostgreSQL pool. */
  readonly poolSize?: number;
  /** Milliseconds after which a PostgreSQL statement without an answer fails and its connection is cut; 0: never. */
  readonly queryTimeoutMs?: number;
  /**
   * A database already open in this process. If it is the same SQLite file its connection is used again, for a process
   * must never have two that write: the second would block the thread that the first needs to finish.
   */
  readonly share?: AnyDatabase | undefined;
}

/** The SQLite file of a URL, or undefined for PostgreSQL. `sqlite:////a/b` and `sqlite:///a/b` are both `/a/b`. */
export function sqliteFile(url: string): string | undefined {
  if (!url.startsWith('sqlite:')) return undefined;
  return decodeURIComponent(url.replace(/^sqlite:\/*/, '/'));
}

export const sqliteUrl = (file: string): string => `sqlite://${file.split('/').map(encodeURIComponent).join('/')}`;

/**
 * Opens a database. SQLite files are made if absent, their folder must exist.
 * @throws StartupError where it cannot be opened, saying why
 */
export function openDatabase<Tables>(url: string, options: DatabaseOptions): Database<Tables> {
  const file = sqliteFile(url);
  const { share } = options;
  if (file !== undefined && share?.dialect === 'sqlite' && path.resolve(file) === path.resolve(share.file))
    return { ...(share as SqliteDatabase<Tables>), close: async () => undefined };
  if (file !== undefined) return openSqlite<Tables>(file, options);
  if (/^postgres(ql)?:/.test(url)) return openPostgres<Tables>(url, options);
  throw new StartupError(`database URL must begin sqlite:/// or postgres://, not ${url.split(':')[0]}:`);
}

/** True when a trivial query answers; for readiness. */
export async function databaseAnswers(database: AnyDatabase): Promise<boolean> {
  await sql`select 1`.execute(database.kysely);
  return true;
}
