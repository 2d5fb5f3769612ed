import { type MigrationSet, migrate, openDatabase } from '@cl-server/service-kit';
import { users } from './0001-users.js';
import { guarded } from './0002-guarded.js';
import { audience } from './0003-audience.js';
import { sessions } from './0004-sessions.js';

export const AUTH_MIGRATIONS: MigrationSet = {
  table: 'migrations_auth',
  migrations: [users, guarded, audience, sessions],
  command: 'auth-server migrate',
};

/**
 * Migrates the auth database at a URL to the newest schema.
 * @returns the names of the migrations that were applied
 */
export async function migrateAuth(url: string): Promise<readonly string[]> {
  const database = openDatabase<unknown>(url, { schema: 'auth' });
  try {
    return await migrate(database, AUTH_MIGRATIONS);
  } finally {
    await database.close();
  }
}
