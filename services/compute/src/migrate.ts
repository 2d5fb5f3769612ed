/** `compute-migrate`: brings the job tables up to date. */
import { agreeOnJobDatabase, type JobTables, jobDatabaseUrl, jobMigrations } from '@cl-server/jobs';
import { type ConfigSources, configOrHelp, migrate, openDatabase, openDataDir } from '@cl-server/service-kit';
import { migrateSettings } from './settings.js';

/** Applies pending migrations and prints their names. */
export async function migrateJobs(sources: ConfigSources): Promise<undefined> {
  const config = configOrHelp({
    program: 'compute-migrate',
    description: 'applies pending migrations of the job tables',
    settings: migrateSettings,
    ...sources,
  });
  if (!config) return undefined;
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
