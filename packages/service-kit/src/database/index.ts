/** SQLite and PostgreSQL behind one interface, and migrations. */
export type { DatabaseAdapter } from './adapter.js';
export { byDialect } from './by-dialect.js';
export { clockSkew } from './clock.js';
export type { Database, PostgresDatabase, SqliteDatabase } from './database.js';
export { assertMigrated, type Migration, type MigrationSet, migrate, prepareTables } from './migrate.js';
export { databaseAnswers, openDatabase, sqliteFile, sqliteUrl } from './open.js';
