/**
 * From where each user has logged in not long ago. Floods and guessing from elsewhere do not keep such a user out, also
 * after a restart of the service (see `guess-limits.ts` and `turns.ts`).
 */
import type { AuthDatabase } from '../database/tables.js';

const DAY = 86_400_000;
const REMEMBERED_FOR = 30 * DAY;
/** A success is written again after this time only. */
const WRITTEN_AGAIN_AFTER = 3_600_000;
const MAX_PER_USER = 20;

export class KnownNetworks {
  constructor(
    private readonly database: AuthDatabase,
    private readonly now: () => number,
  ) {}

  /** @param userId undefined where there is no such user; the question takes as long */
  async isKnown(userId: number | undefined, network: string): Promise<boolean> {
    const row = await this.#lastSuccess(userId ?? 0, network);
    return row !== undefined && this.now() - row.last_success < REMEMBERED_FOR;
  }

  async succeeded(userId: number, network: string): Promise<void> {
    const now = this.now();
    const known = await this.#lastSuccess(userId, network);
    if (known && now - known.last_success < WRITTEN_AGAIN_AFTER) return;
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
