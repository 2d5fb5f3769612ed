/**
 * The database of the job tables. Store, compute and workers share it. If they were given different databases, each would
 * wait for the others without end. So the first of them writes the database down in the data folder, and the others
 * compare.
 */
import fs from 'node:fs';
import path from 'node:path';
import { createFileSync } from '@cl-server/kit';
import { asDatabaseUrl, databaseSettings, StartupError, sqliteFile, sqliteUrl } from '@cl-server/service-kit';

export const jobDatabaseSettings = {
  workerDatabaseUrl: {
    env: 'WORKER_DATABASE_URL',
    parse: asDatabaseUrl,
    secret: true,
    help: 'Database of the jobs if it is not the store’s: sqlite:///path or postgres://…',
  },
  storeDatabaseUrl: {
    env: 'STORE_DATABASE_URL',
    parse: asDatabaseUrl,
    secret: true,
    help: 'Database of store and jobs; takes precedence over DATABASE_URL',
  },
  ...databaseSettings,
} as const;

interface JobDatabaseValues {
  readonly workerDatabaseUrl?: string | undefined;
  readonly storeDatabaseUrl?: string | undefined;
  readonly databaseUrl?: string | undefined;
}

const FILE = 'job_database';

/** The database without its password. It is the same by whichever path the data folder is reached. */
function placeOf(url: string, dataDir: string): string {
  const file = sqliteFile(url);
  if (file !== undefined) {
    const relative = path.relative(dataDir, path.resolve(file));
    return relative.startsWith('..') ? path.resolve(file) : relative;
  }
  const { hostname, port, pathname } = new URL(url);
  return `postgres://${hostname}:${port || 5432}${pathname}`;
}

/** The URL of the job tables: a specific setting, else `DATABASE_URL`, else `store.db` in the data folder. */
export const jobDatabaseUrl = (values: JobDatabaseValues, dataDir: string): string =>
  values.workerDatabaseUrl ??
  values.storeDatabaseUrl ??
  values.databaseUrl ??
  sqliteUrl(path.join(dataDir, 'store.db'));

/**
 * Makes sure that all programs that share a data folder share one job database.
 * @throws StartupError naming both places and what to do
 */
export function agreeOnJobDatabase(url: string, dataDir: string): void {
  const place = placeOf(url, dataDir);
  const file = path.join(dataDir, FILE);
  if (!fs.existsSync(file)) createFileSync(file, `${place}\n`, 0o640);
  const agreed = fs.readFileSync(file, 'utf8').trim();
  if (agreed !== place)
    throw new StartupError(
      `the jobs of this data folder are in ${agreed}, not in ${place}: give store, compute and workers the same database (STORE_DATABASE_URL, WORKER_DATABASE_URL or DATABASE_URL), or remove ${file} if all of them moved`,
    );
}
