/** Opens a database by its URL: `sqlite:///path` or `postgres://…`. */
import path from 'node:path';
import { sql } from 'kysely';
import { StartupError } from '../errors.js';
import type { AnyDatabase, Database, DatabaseOptions, SqliteDatabase } from './database.js';
import { openPostgres } from './postgres.js';
import { openSqlite } from './sqlite.js';

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
