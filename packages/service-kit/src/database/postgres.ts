import { errorCode } from '@cl-server/kit';
import { Kysely, PostgresDialect } from 'kysely';
import type pg from 'pg';
import { load } from '../lazy.js';
import { postgresAdapter } from './adapter.js';
import type { DatabaseOptions, PostgresDatabase } from './database.js';

const INT8 = 20;
const NUMERIC = 1700;

/** A new connection answers within this time, or the database counts as away. */
const CONNECT_TIMEOUT_MS = 5_000;
/**
 * A statement without an answer for this long means a connection whose other end is gone without a word (a cut cable, a
 * frozen host, a firewall that forgot it). No statement of a request or a background step takes nearly as long.
 */
const QUERY_TIMEOUT_MS = 30_000;
/** The kernel looks after idle connections from this age on. */
const KEEP_ALIVE_MS = 10_000;

/** Counts and millisecond times fit a double; as text they would differ from SQLite's. */
const parsersOf = (types: typeof pg.types): pg.CustomTypesConfig => ({
  getTypeParser: ((oid: number, format?: 'text' | 'binary') =>
    oid === INT8 || oid === NUMERIC
      ? Number
      : types.getTypeParser(oid, format as 'text')) as pg.CustomTypesConfig['getTypeParser'],
});

/** SQLSTATE 57P01 to 57P03: the server ends the connection after this error, a moment after the statement has failed. */
const ENDS_CONNECTION = /^57P0[123]$/;

/** Keeps the pool from handing out a connection that is about to end. The pool has no public way to say so. */
function retire(client: pg.PoolClient): void {
  (client as unknown as { _queryable: boolean })._queryable = false;
}

/**
 * A connection on which a statement timed out still waits for the old answer, so every later statement on it would wait
 * too. It is cut, and the pool opens another one.
 */
function cutWhenSilent(client: pg.PoolClient, timeoutMs: number): void {
  if (timeoutMs === 0) return;
  const { connection } = client as unknown as { connection: { stream: { destroy(error?: Error): void } } };
  const query = client.query.bind(client) as (...args: unknown[]) => unknown;
  const watched = (...args: unknown[]): unknown => {
    const callback = args.at(-1);
    const timer = setTimeout(() => connection.stream.destroy(new Error('Query read timeout')), timeoutMs);
    if (typeof callback === 'function') {
      const done = (...results: unknown[]): unknown => {
        clearTimeout(timer);
        return callback(...results);
      };
      return query(...args.slice(0, -1), done);
    }
    const result = query(...args);
    if (result instanceof Promise)
      return result
        .catch((error: unknown) => {
          if (ENDS_CONNECTION.test(errorCode(error) ?? '')) retire(client);
          throw error;
        })
        .finally(() => clearTimeout(timer));
    clearTimeout(timer); // a cursor or stream has its own life
    return result;
  };
  client.query = watched as typeof client.query;
}

export function openPostgres<Tables>(url: string, options: DatabaseOptions): PostgresDatabase<Tables> {
  const { Pool, types } = load('pg') as typeof pg;
  const queryTimeoutMs = options.queryTimeoutMs ?? QUERY_TIMEOUT_MS;
  const pool = new Pool({
    connectionString: url,
    max: options.poolSize ?? 10,
    types: parsersOf(types),
    options: `-c search_path=${options.schema},public -c idle_in_transaction_session_timeout=60000`,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    keepAlive: true,
    keepAliveInitialDelayMillis: KEEP_ALIVE_MS,
  });
  // The pool replaces a connection that breaks while it is idle. One that breaks while it is in use tells its user by the
  // statement that fails, or by the next one. Without these listeners either event would end the process.
  pool.on('error', () => undefined);
  pool.on('connect', (client) => {
    client.on('error', () => undefined);
    cutWhenSilent(client, queryTimeoutMs);
  });
  const kysely = new Kysely<Tables>({ dialect: new PostgresDialect({ pool }) });
  return {
    dialect: 'postgres',
    kysely,
    adapter: postgresAdapter(pool),
    pool,
    schema: options.schema,
    patient: () => openPostgres(url, { ...options, poolSize: 1, queryTimeoutMs: 0 }),
    close: () => kysely.destroy(),
  };
}
