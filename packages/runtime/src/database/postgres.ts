import { Kysely, PostgresDialect } from 'kysely';
import type pg from 'pg';
import { load } from '../lazy.js';
import type { DatabaseOptions, PostgresDatabase } from './database.js';

const INT8 = 20;
const NUMERIC = 1700;

/** Counts and millisecond times fit a double; as text they would differ from SQLite's. */
const parsersOf = (types: typeof pg.types): pg.CustomTypesConfig => ({
  getTypeParser: ((oid: number, format?: 'text' | 'binary') =>
    oid === INT8 || oid === NUMERIC
      ? Number
      : types.getTypeParser(oid, format as 'text')) as pg.CustomTypesConfig['getTypeParser'],
});

export function openPostgres<Tables>(url: string, options: DatabaseOptions): PostgresDatabase<Tables> {
  const { Pool, types } = load('pg') as typeof pg;
  const pool = new Pool({
    connectionString: url,
    max: options.poolSize ?? 10,
    types: parsersOf(types),
    options: `-c search_path=${options.schema},public -c idle_in_transaction_session_timeout=60000`,
    connectionTimeoutMillis: 10_000,
  });
  // An idle connection that breaks is replaced by the pool at its next use; without a listener it would end the process.
  pool.on('error', () => undefined);
  const kysely = new Kysely<Tables>({ dialect: new PostgresDialect({ pool }) });
  return {
    dialect: 'postgres',
    kysely,
    pool,
    schema: options.schema,
    close: () => kysely.destroy(),
  };
}
