/**
 * Maintains the texts that search reads. They are written with each change, and in the background for entities that are
 * older than the table of texts. The background work goes from the newest to the oldest entity and continues where an
 * earlier process stopped.
 */
import { setImmediate } from 'node:timers/promises';
import type { Logger } from '@cl-server/service-kit';
import type { Kysely } from 'kysely';
import type { EntityRow, StoreTables } from '../../database/tables.js';
import type { RunWrite, WriteTransaction } from '../../database/transaction.js';
import { searchText } from './fold.js';

/** The counter that holds the id of the newest entity without a text; 0 if all have one. */
const UNFOLDED = 'search_unfolded';
/** Entities in one transaction. It takes a few milliseconds, in which nothing else is written. */
const BATCH_SIZE = 500;

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

  /** Starts or continues to write the missing texts. */
  start(): void {
    this.#filling = this.fill().catch((error: unknown) => {
      this.#logger.error(
        { err: error },
        'search does not find all older entities; the next start continues to index them',
      );
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#filling;
  }

  /** Resolves when all entities have a text. */
  async fill(): Promise<void> {
    const { value = 0 } =
      (await this.#db.selectFrom('store_counters').select('value').where('name', '=', UNFOLDED).executeTakeFirst()) ??
      {};
    if (value === 0) return;
    this.#logger.info('the texts of older entities are being indexed; search does not find all of these entities yet');
    let filled = 0;
    for (let count = BATCH_SIZE; count === BATCH_SIZE && !this.#closed; filled += count) {
      count = await this.#fillSome();
      // Requests run between two batches.
      await setImmediate();
    }
    if (!this.#closed) this.#logger.info(`search finds all entities; the texts of ${filled} were indexed`);
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
        .limit(BATCH_SIZE)
        .execute();
      await saveSearchText({ db }, rows);
      const next = rows.length === BATCH_SIZE ? (rows.at(-1)?.id ?? 1) - 1 : 0;
      await db.updateTable('store_counters').set({ value: next }).where('name', '=', UNFOLDED).execute();
      return rows.length;
    });
  }
}
