/** Notes which pictures are nearly the same, as their pHashes come in: a list of duplicates then costs no search. */
import { type Kysely, sql } from 'kysely';
import type { StoreTables } from '../database/tables.js';
import type { RunWrite } from '../database/transaction.js';
import type { PhashIndex } from '../search/phash-index.js';

/** Bits of 64 in which two pictures may differ to be noted; lists ask for fewer. */
const NOTED_DISTANCE = 16;
/** Neighbours noted for one picture: plain surfaces are like all others. */
const NEIGHBOURS = 50;
const AT_ONCE = 100;

/** @returns how many pictures were looked at */
export async function pairDuplicates(
  db: Kysely<StoreTables>,
  write: RunWrite,
  index: Pick<PhashIndex, 'nearest'>,
): Promise<number> {
  const rows = await db
    .selectFrom('perceptual_hashes')
    .innerJoin('entities', 'entities.id', 'perceptual_hashes.entity_id')
    .select(['perceptual_hashes.id', 'perceptual_hashes.entity_id', 'perceptual_hashes.phash', 'entities.type'])
    .where('perceptual_hashes.is_paired', '=', sql.lit(0))
    .orderBy('perceptual_hashes.id')
    .limit(AT_ONCE)
    .execute();
  for (const row of rows) {
    const near = row.type === 'image' ? await index.nearest(row.phash, NEIGHBOURS) : [];
    const pairs = near
      .filter(({ entityId, distance }) => entityId !== row.entity_id && distance <= NOTED_DISTANCE)
      .map(({ entityId, distance }) => ({
        entity_id: Math.min(entityId, row.entity_id),
        other_id: Math.max(entityId, row.entity_id),
        distance,
      }));
    await write(null, async ({ db: trx }) => {
      for (const pair of pairs) {
        const both = await trx
          .selectFrom('entities')
          .select('id')
          .where('id', 'in', [pair.entity_id, pair.other_id])
          .execute();
        if (both.length < 2) continue;
        await trx
          .insertInto('near_duplicates')
          .values(pair)
          .onConflict((conflict) =>
            conflict.columns(['entity_id', 'other_id']).doUpdateSet({ distance: pair.distance }),
          )
          .execute();
      }
      await trx.updateTable('perceptual_hashes').set({ is_paired: 1 }).where('id', '=', row.id).execute();
    });
  }
  return rows.length;
}
