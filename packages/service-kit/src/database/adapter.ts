/**
 * The differences between SQLite and PostgreSQL that code outside of this folder meets, each with a name. Such code asks
 * the adapter of its database and never looks at the dialect itself; a rule of ESLint checks that. Migrations receive the
 * dialect, and a statement that is written once for each dialect stands in a file for each, chosen by `byDialect`.
 */
import type BetterSqlite3 from 'better-sqlite3';
import { type RawBuilder, type SelectQueryBuilder, sql, type Transaction } from 'kysely';
import type pg from 'pg';

export type SqlDialect = 'sqlite' | 'postgres';

// biome-ignore lint/suspicious/noExplicitAny: Kysely is invariant in its tables, so no other type accepts every transaction
type AnyTransaction = Transaction<any>;

interface LockRowsOptions {
  /** Leaves out rows that another transaction holds, instead of waiting for it. */
  readonly skipLocked?: boolean;
}

export interface DatabaseAdapter {
  readonly dialect: SqlDialect;
  /**
   * Whether a query runs on the event loop of this process. A query that may take more than some milliseconds is then
   * divided, or run in a thread.
   */
  readonly blocksEventLoop: boolean;
  /** Whether the planner knows how many rows a condition matches, and so chooses the best index by itself. */
  readonly hasStatistics: boolean;
  /**
   * Makes transactions that lock the same name run one after the other. A transaction that writes to SQLite excludes all
   * other writers anyway.
   */
  lock(transaction: AnyTransaction, name: string): Promise<void>;
  /** Makes a query lock the rows that it finds until the end of its transaction. */
  lockRows<DB, TB extends keyof DB, O>(
    query: SelectQueryBuilder<DB, TB, O>,
    options?: LockRowsOptions,
  ): SelectQueryBuilder<DB, TB, O>;
  /**
   * A column in a condition that no index shall answer, because an index of another condition is better. The planner of
   * SQLite leaves out indexes of a column behind a unary plus.
   */
  withoutIndex(column: RawBuilder<unknown>): RawBuilder<unknown>;
  /**
   * A statement that reads at most one row, compiled once and run on the bare handle, for what every request asks.
   * @param name a name that no other statement of this database has
   * @param text SQL with `?` for each parameter
   */
  prepareRow<Row, Parameters extends readonly unknown[]>(
    name: string,
    text: string,
  ): (...parameters: Parameters) => Promise<Row | undefined>;
}

export const sqliteAdapter = (sqlite: BetterSqlite3.Database): DatabaseAdapter => ({
  dialect: 'sqlite',
  blocksEventLoop: true,
  hasStatistics: false,
  lock: async () => undefined,
  lockRows: (query) => query,
  withoutIndex: (column) => sql`+${column}`,
  prepareRow: <Row, Parameters extends readonly unknown[]>(_name: string, text: string) => {
    const statement = sqlite.prepare(text);
    return async (...parameters: Parameters) => statement.get(...parameters) as Row | undefined;
  },
});

export const postgresAdapter = (pool: pg.Pool): DatabaseAdapter => ({
  dialect: 'postgres',
  blocksEventLoop: false,
  hasStatistics: true,
  lock: async (transaction, name) => {
    await sql`select pg_advisory_xact_lock(hashtext(${name}))`.execute(transaction);
  },
  lockRows: (query, { skipLocked = false } = {}) => (skipLocked ? query.forUpdate().skipLocked() : query.forUpdate()),
  withoutIndex: (column) => column,
  prepareRow: <Row, Parameters extends readonly unknown[]>(name: string, text: string) => {
    let number = 0;
    const numbered = text.replace(/\?/g, () => `$${++number}`);
    return async (...parameters: Parameters) =>
      (await pool.query({ name, text: numbered, values: [...parameters] })).rows[0] as Row | undefined;
  },
});
