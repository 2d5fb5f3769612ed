/**
 * Keeps the texts that search reads beside the entities: written with each change, and in the background for entities
 * that were there before search had texts of its own. That work goes from the newest to the oldest, and goes on where an
 * earlier process ended.
 */
import { setImmediate } from 'node:timers/promises';
import type { Logger } from '@cl-server/service-kit';
import type { Kysely } from 'kysely';
import type { EntityRow, StoreTables } from '../database/tables.js';
import type { RunWrite, WriteTransaction } from '../database/transaction.js';
import { searchText } from './fold.js';

/** Counter whose value is the newest entity that has no text yet; 0: all have one. */
const UNFOLDED = 'search_unfolded';
/** Entities of one transaction: a few milliseconds in which nothing else is written. */
const BATCH = 500;

export async function saveSearchText(
  { db }: Pick<WriteTransaction, 'db'>,
  rows: readonly Pick<EntityRow, 'id' | 'label' | 'file_name'>[],
): Promise<void> {
  if (rows.length === 0) return;
  await db
    .insertInto('entity_search')
    .values(rows.map((row) => ({ id: row.id, text: searchText(row) })))
    .onConflict((conflict) => conflict.column('id').doUpdateSet((eb) => ({ text: eb.ref('excluded.text') })))
    .execute();
}

export class SearchTexts {
  readonly #write: RunWrite;
  readonly #db: Kysely<StoreTables>;
  readonly #logger: Logger;
  #filling: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(options: { readonly db: Kysely<StoreTables>; readonly write: RunWrite; readonly logger: Logger }) {
    this.#db = options.db;
    this.#write = options.write;
    this.#logger = options.logger;
  }

  /** Begins, or goes on with, what is missing. */
  start(): void {
    this.#filling = this.fill().catch((error: unknown) => {
      this.#logger.error({ err: error }, 'search does not find older entities; the next start goes on with them');
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#filling;
  }

  /** Ends when all entities have a text. */
  async fill(): Promise<void> {
    const { value = 0 } =
      (await this.#db.selectFrom('store_counters').select('value').where('name', '=', UNFOLDED).executeTakeFirst()) ??
      {};
    if (value === 0) return;
    this.#logger.info('search learns the texts of entities that were there before; it does not find all of them yet');
    let filled = 0;
    for (let count = BATCH; count === BATCH && !this.#closed; filled += count) {
      count = await this.#fillSome();
      // Requests have their turn between two batches.
      await setImmediate();
    }
    if (!this.#closed) this.#logger.info(`search knows all entities (${filled} were new to it)`);
  }

  #fillSome(): Promise<number> {
    return this.#write(null, async ({ db }) => {
      const { value } = await db
        .selectFrom('store_counters')
        .select('value')
        .where('name', '=', UNFOLDED)
        .executeTakeFirstOrThrow();
      const rows = await db
        .selectFrom('entities')
        .select(['id', 'label', 'file_name'])
        .where('id', '<=', value)
        .orderBy('id', 'desc')
        .limit(BATCH)
        .execute();
      await saveSearchText({ db }, rows);
      const next = rows.length === BATCH ? (rows.at(-1)?.id ?? 1) - 1 : 0;
      await db.updateTable('store_counters').set({ value: next }).where('name', '=', UNFOLDED).execute();
      return rows.length;
    });
  }
}
