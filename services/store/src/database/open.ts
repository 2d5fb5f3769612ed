/** Opens the databases of the store's tables and of the job tables that the settings name. */
import path from 'node:path';
import { type JobTables, type jobDatabaseSettings, jobDatabaseUrl, jobMigrations } from '@cl-server/jobs';
import { type Database, migrate, openDatabase, prepareTables, sqliteUrl, type Values } from '@cl-server/service-kit';
import { storeMigrations } from './migrations/index.js';
import type { StoreTables } from './tables.js';

export interface StoreDatabases {
  readonly store: Database<StoreTables>;
  /** The same as `store` if both are one SQLite file. */
  readonly jobs: Database<JobTables>;
  /** @returns the names of the migrations that were applied */
  migrate(): Promise<readonly string[]>;
  /**
   * Makes sure that no migration is pending.
   * @param apply true: apply pending migrations instead of refusing to start
   */
  prepare(apply: boolean): Promise<void>;
  close(): Promise<void>;
}

export function openStoreDatabases(settings: Values<typeof jobDatabaseSettings>, dataDir: string): StoreDatabases {
  const url = settings.storeDatabaseUrl ?? settings.databaseUrl ?? sqliteUrl(path.join(dataDir, 'store.db'));
  const store = openDatabase<StoreTables>(url, { schema: 'store', synchronous: 'full' });
  const jobsUrl = jobDatabaseUrl(settings, dataDir);
  const jobs = openDatabase<JobTables>(jobsUrl, { schema: 'jobs', synchronous: 'full', share: store });
  return {
    store,
    jobs,
    migrate: async () => [...(await migrate(jobs, jobMigrations)), ...(await migrate(store, storeMigrations))],
    prepare: async (apply) => {
      await prepareTables(jobs, jobMigrations, apply);
      await prepareTables(store, storeMigrations, apply);
    },
    close: async () => {
      await jobs.close();
      await store.close();
    },
  };
}
