/** `compute-migrate`: brings the job tables up to date. */
import { type JobTables, jobMigrations } from '@cl-server/jobs';
import {
  agreeOnJobDatabase,
  type ConfigSources,
  jobDatabaseUrl,
  loadConfig,
  migrate,
  openDatabase,
  openDataDir,
} from '@cl-server/runtime';
import { migrateSettings } from './settings.js';

/** Prints what it did. */
export async function migrateJobs(sources: ConfigSources): Promise<undefined> {
  const config = loadConfig({
    program: 'compute-migrate',
    description: 'applies pending migrations of the job tables',
    settings: migrateSettings,
    ...sources,
  });
  if (config.helpWanted) {
    process.stdout.write(config.help);
    return undefined;
  }
  const dataDir = openDataDir(config.values.dataDir, { create: true });
  const url = jobDatabaseUrl(config.values, dataDir);
  agreeOnJobDatabase(url, dataDir);
  const database = openDatabase<JobTables>(url, { schema: 'jobs' });
  try {
    const applied = await migrate(database, jobMigrations);
    process.stdout.write(applied.length > 0 ? `applied: ${applied.join(', ')}\n` : 'nothing to do: up to date\n');
  } finally {
    await database.close();
  }
  return undefined;
}
