import type { Database, PostgresDatabase, SqliteDatabase } from './database.js';

/** Chooses between two implementations that each know one engine. */
export const byDialect = <Tables, T>(
  database: Database<Tables>,
  {
    sqlite,
    postgres,
  }: {
    readonly sqlite: (database: SqliteDatabase<Tables>) => T;
    readonly postgres: (database: PostgresDatabase<Tables>) => T;
  },
): T => (database.dialect === 'sqlite' ? sqlite(database) : postgres(database));
