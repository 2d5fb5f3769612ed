import { listRevocations, type RevocationFeed as Page } from '@cl-server/contract';
import type { App } from '@cl-server/service-kit';
import type { AuthDatabase } from '../database/tables.js';

/** The feed from which the other services learn which tokens became invalid before they expired. */
export class RevocationFeed {
  /** @param audienceSince the time in milliseconds from which every issued token names its audience */
  constructor(
    private readonly database: AuthDatabase,
    readonly audienceSince: number,
  ) {}

  /** Revocations after a position, in the order of their commits. A user's newest one replaces the one before. */
  async since(position: number): Promise<Page> {
    const { kysely } = this.database;
    const rows = await kysely
      .selectFrom('revocations')
      .selectAll()
      .where('seq', '>', position)
      .orderBy('seq')
      .execute();
    const items = rows.map(({ seq, user_id, min_version }) => ({ seq, user_id: String(user_id), min_version }));
    const page = { items, audience_since: this.audienceSince };
    if (items.length > 0) return { ...page, last_seq: items.at(-1)?.seq ?? position };
    // This feed has not reached the position, so it is another feed's or its rows are gone. The reader must start from 0.
    const newest = await kysely
      .selectFrom('revocations')
      .select((eb) => eb.fn.max<number | null>('seq').as('seq'))
      .executeTakeFirst();
    return { ...page, last_seq: (newest?.seq ?? 0) < position ? 0 : position };
  }
}

export function serveRevocations(app: App, feed: RevocationFeed): void {
  app.handle(listRevocations, ({ query }) => feed.since(query.since));
}
