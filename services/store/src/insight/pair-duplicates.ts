/** Notes which pictures are nearly the same, as their pHashes come in: a list of duplicates then costs no search. */
import { type Kysely, sql } from 'kysely';
import type { StoreTables } from '../database/tables.js';
import type { RunWrite } from '../database/transaction.js';
import type { PhashIndex } from '../search/phash-index.js';
import { hasStructure, isSamePicture, type PictureFeatures } from '../search/same-picture.js';

/** Bits of 64 in which two pictures may differ to be noted; lists ask for fewer. */
const NOTED_DISTANCE = 16;
/** Neighbours that are compared with one picture. */
const NEIGHBOURS = 50;
const AT_ONCE = 100;

const FEATURES = [
  'perceptual_hashes.pdq',
  'perceptual_hashes.pdq_quality',
  'perceptual_hashes.flat_share',
  'perceptual_hashes.layout',
] as const;

async function featuresOf(
  db: Kysely<StoreTables>,
  ids: readonly number[],
): Promise<ReadonlyMap<number, readonly PictureFeatures[]>> {
  if (ids.length === 0) return new Map();
  const rows = await db
    .selectFrom('perceptual_hashes')
    .select('entity_id')
    .select(FEATURES)
    .where('entity_id', 'in', [...ids])
    .execute();
  const byEntity = new Map<number, PictureFeatures[]>();
  for (const { entity_id, ...features } of rows)
    byEntity.set(entity_id, [...(byEntity.get(entity_id) ?? []), features]);
  return byEntity;
}

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
    .select(FEATURES)
    .where('perceptual_hashes.is_paired', '=', sql.lit(0))
    .orderBy('perceptual_hashes.id')
    .limit(AT_ONCE)
    .execute();
  for (const row of rows) {
    const isComparable = row.type === 'image' && hasStructure(row);
    const near = isComparable ? await index.nearest(row.phash, NEIGHBOURS) : [];
    const others = near.filter(({ entityId, distance }) => entityId !== row.entity_id && distance <= NOTED_DISTANCE);
    const features = await featuresOf(
      db,
      others.map(({ entityId }) => entityId),
    );
    const pairs = others
      .filter(({ entityId }) => features.get(entityId)?.some((other) => isSamePicture(row, other)))
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
