import fs from 'node:fs';
import { messageOf } from '@cl-server/kit';
import BetterSqlite3 from 'better-sqlite3';
import {
  CompiledQuery,
  type DatabaseConnection,
  type Dialect,
  Kysely,
  SqliteAdapter,
  SqliteDriver,
  SqliteIntrospector,
  SqliteQueryCompiler,
} from 'kysely';
import { StartupError } from '../errors.js';
import { sqliteAdapter } from './adapter.js';
import type { DatabaseOptions, SqliteDatabase } from './database.js';

/** Before this release two connections that write and checkpoint may corrupt a WAL file. */
const MIN_VERSION = [3, 51, 3] as const;

/**
 * Takes the write lock when a transaction begins: upgrading a read lock later would fail at once with "database is
 * locked", however long the busy timeout.
 */
class ImmediateSqliteDriver extends SqliteDriver {
  readonly #database: BetterSqlite3.Database;

  constructor(database: BetterSqlite3.Database) {
    super({ database });
    this.#database = database;
  }

  /** A full disk ends the transaction by itself: the fault to be seen is then that of the statement, not of this one. */
  override async rollbackTransaction(connection: DatabaseConnection): Promise<void> {
    if (this.#database.inTransaction) await super.rollbackTransaction(connection);
  }

  override async beginTransaction(connection: DatabaseConnection): Promise<void> {
    await connection.executeQuery(CompiledQuery.raw('begin immediate'));
  }
}

function dialectOf(database: BetterSqlite3.Database): Dialect {
  return {
    createAdapter: () => new SqliteAdapter(),
    createDriver: () => new ImmediateSqliteDriver(database),
    createIntrospector: (db) => new SqliteIntrospector(db),
    createQueryCompiler: () => new SqliteQueryCompiler(),
  };
}

/** The binary of better-sqlite3 needs version 10 of Node-API: without it, opening a database ends the process. */
function checkNode(): void {
  if (Number(process.versions.napi) < 10)
    throw new StartupError(`SQLite needs Node 22.14 or newer, and this is ${process.versions.node}: install Node 24`);
}

function checkVersion(database: BetterSqlite3.Database): void {
  const version = database.prepare('select sqlite_version()').pluck().get() as string;
  const parts = version.split('.').map(Number);
  for (const [index, wanted] of MIN_VERSION.entries()) {
    const part = parts[index] ?? 0;
    if (part > wanted) return;
    if (part < wanted)
      throw new StartupError(
        `SQLite ${version} may corrupt a shared database; ${MIN_VERSION.join('.')} or newer is needed (reinstall with npm ci)`,
      );
  }
}

/** Databases of earlier releases were readable for all users of the machine; the umask protects new ones. */
function closeToOthers(file: string): void {
  for (const part of [file, `${file}-wal`, `${file}-shm`]) {
    try {
      const { mode } = fs.statSync(part);
      if (mode & 0o007) fs.chmodSync(part, mode & 0o770);
    } catch {
      // The file is missing or belongs to another user, who decides who may read it.
    }
  }
}

export function openSqlite<Tables>(
  file: string,
  options: DatabaseOptions & { readonly readonly?: boolean },
): SqliteDatabase<Tables> {
  checkNode();
  let database: BetterSqlite3.Database;
  try {
    database = new BetterSqlite3(file, { timeout: 10_000, readonly: options.readonly ?? false });
  } catch (error) {
    throw new StartupError(`database ${file} cannot be opened: ${messageOf(error)}`, 1, {
      cause: error,
    });
  }
  try {
    checkVersion(database);
    if (!options.readonly) database.pragma('journal_mode = WAL');
    if (!options.readonly) closeToOthers(file);
    database.pragma(`synchronous = ${options.synchronous ?? 'full'}`);
    database.pragma('foreign_keys = ON');
    database.pragma('temp_store = MEMORY');
    database.pragma('cache_size = -32000');
    database.pragma('mmap_size = 268435456');
  } catch (error) {
    database.close();
    if (error instanceof StartupError) throw error;
    throw new StartupError(`database ${file} cannot be used: ${messageOf(error)}`, 1, {
      cause: error,
    });
  }
  const kysely = new Kysely<Tables>({ dialect: dialectOf(database) });
  return {
    dialect: 'sqlite',
    kysely,
    adapter: sqliteAdapter(database),
    sqlite: database,
    file,
    exclusive: (work) => kysely.connection().execute(async () => work(database)),
    close: () => kysely.destroy(),
  };
}
