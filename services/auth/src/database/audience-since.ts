import { audience } from './migrations/0003-audience.js';
import type { AuthDatabase } from './tables.js';

/** The time in milliseconds from which every issued token names its audience. */
export async function audienceSince(database: AuthDatabase): Promise<number> {
  const { applied_at } = await database.kysely
    .selectFrom('migrations_auth')
    .select('applied_at')
    .where('name', '=', audience.name)
    .executeTakeFirstOrThrow();
  return applied_at;
}
