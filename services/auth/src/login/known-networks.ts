/**
 * The networks from which each user has logged in recently. Floods and guessing from elsewhere do not keep such a user out,
 * even after a restart of the service (see `guess-limits.ts` and `hash-queue.ts`).
 */
import type { AuthDatabase } from '../database/tables.js';

const DAY_MS = 86_400_000;
const REMEMBERED_FOR_MS = 30 * DAY_MS;
/** A success is not written again before this time has passed. */
const REWRITE_INTERVAL_MS = 3_600_000;
const MAX_PER_USER = 20;

export class KnownNetworks {
  constructor(
    private readonly database: AuthDatabase,
    private readonly now: () => number,
  ) {}

  /** @param userId undefined if the user does not exist; the query takes as long as for an existing one */
  async isKnown(userId: number | undefined, network: string): Promise<boolean> {
    const row = await this.#lastSuccess(userId ?? 0, network);
    return row !== undefined && this.now() - row.last_success < REMEMBERED_FOR_MS;
  }

  async succeeded(userId: number, network: string): Promise<void> {
    const now = this.now();
    const known = await this.#lastSuccess(userId, network);
    if (known && now - known.last_success < REWRITE_INTERVAL_MS) return;
    const { kysely } = this.database;
    await kysely
      .insertInto('known_networks')
      .values({ user_id: userId, network, last_success: now })
      .onConflict((conflict) => conflict.columns(['user_id', 'network']).doUpdateSet({ last_success: now }))
      .execute();
    if (known) return;
    const kept = kysely
      .selectFrom('known_networks')
      .select('network')
      .where('user_id', '=', userId)
      .orderBy('last_success', 'desc')
      .limit(MAX_PER_USER);
    await kysely.deleteFrom('known_networks').where('user_id', '=', userId).where('network', 'not in', kept).execute();
  }

  #lastSuccess(userId: number, network: string): Promise<{ last_success: number } | undefined> {
    return this.database.kysely
      .selectFrom('known_networks')
      .select('last_success')
      .where('user_id', '=', userId)
      .where('network', '=', network)
      .executeTakeFirst();
  }
}
