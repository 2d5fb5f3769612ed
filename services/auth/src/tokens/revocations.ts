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

  /**
   * Revocations and ended credentials after two positions, each in the order of its commits. A user's newest revocation
   * replaces the one before.
   */
  async since(position: number, endedPosition: number): Promise<Page> {
    const { kysely } = this.database;
    const revoked = await kysely
      .selectFrom('revocations')
      .selectAll()
      .where('seq', '>', position)
      .orderBy('seq')
      .execute();
    const ended = await kysely
      .selectFrom('ended_credentials')
      .selectAll()
      .where('seq', '>', endedPosition)
      .orderBy('seq')
      .execute();
    return {
      items: revoked.map(({ seq, user_id, min_version }) => ({ seq, user_id: String(user_id), min_version })),
      last_seq: await this.#lastPosition('revocations', revoked, position),
      ended: ended.map(({ seq, credential_id, until }) => ({ seq, id: credential_id, until })),
      last_ended_seq: await this.#lastPosition('ended_credentials', ended, endedPosition),
      audience_since: this.audienceSince,
    };
  }

  async #lastPosition(
    table: 'revocations' | 'ended_credentials',
    rows: readonly { readonly seq: number }[],
    position: number,
  ): Promise<number> {
    const last = rows.at(-1);
    if (last) return last.seq;
    const newest = await this.database.kysely
      .selectFrom(table)
      .select((eb) => eb.fn.max<number | null>('seq').as('seq'))
      .executeTakeFirst();
    // This feed has not reached the position, so it is another feed's or its rows are gone. The reader must start from 0.
    return (newest?.seq ?? 0) < position ? 0 : position;
  }
}

export function serveRevocations(app: App, feed: RevocationFeed): void {
  app.handle(listRevocations, ({ query }) => feed.since(query.since, query.ended_since));
}
