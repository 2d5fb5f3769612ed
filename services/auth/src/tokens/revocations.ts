import { listRevocations, type RevocationFeed } from '@cl-server/contract';
import type { App } from '@cl-server/runtime';
import type { AuthDatabase } from '../database/tables.js';

/** Cut-offs after a position, in the order of their commits. A user's newest replaces the one before. */
export async function revocationsSince(database: AuthDatabase, since: number): Promise<RevocationFeed> {
  const rows = await database.kysely
    .selectFrom('revocations')
    .selectAll()
    .where('seq', '>', since)
    .orderBy('seq')
    .execute();
  const items = rows.map(({ seq, user_id, min_version }) => ({ seq, user_id: String(user_id), min_version }));
  if (items.length > 0) return { items, last_seq: items.at(-1)?.seq ?? since };
  // A position that this feed has not reached yet is another feed's: the database was made anew, so begin again.
  const newest = await database.kysely
    .selectFrom('revocations')
    .select((eb) => eb.fn.max<number | null>('seq').as('seq'))
    .executeTakeFirst();
  return { items, last_seq: (newest?.seq ?? 0) < since ? 0 : since };
}

export function serveRevocations(app: App, database: AuthDatabase): void {
  app.handle(listRevocations, ({ query }) => revocationsSince(database, query.since));
}
