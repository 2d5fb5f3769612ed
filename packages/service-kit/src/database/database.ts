/**
 * The types of an open database, with either engine.
 *
 * These rules keep one schema valid on both engines: times are integers in milliseconds, booleans are the integers 0 and 1,
 * JSON is text. Hot paths may use the bare handle (`sqlite`, `pool`); everything else goes through Kysely.
 */
import type BetterSqlite3 from 'better-sqlite3';
import type { Kysely } from 'kysely';
import type pg from 'pg';
import type { DatabaseAdapter } from './adapter.js';

interface DatabaseBase<Tables> {
  readonly kysely: Kysely<Tables>;
  /** The differences between the engines. */
  readonly adapter: DatabaseAdapter;
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
