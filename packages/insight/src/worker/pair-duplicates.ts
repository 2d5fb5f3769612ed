/** Compares pictures with new pHashes and stores the near duplicates, so that a list of duplicates needs no search. */

import { sql } from 'kysely';
import type { EntityFeed, InsightDatabase, RunWrite } from '../port.js';
import type { PhashIndex } from '../search/phash-index.js';
import { hasStructure, isSamePicture, type PictureFeatures } from '../search/same-picture.js';

/** Bits of 64 in which the hashes of two pictures may differ to be stored; lists ask for fewer. */
const MAX_DISTANCE = 16;
/** Neighbours that are compared with one picture. */
const MAX_NEIGHBOURS = 50;
const BATCH_SIZE = 100;

const FEATURES = [
  'perceptual_hashes.pdq',
  'perceptual_hashes.pdq_quality',
  'perceptual_hashes.flat_share',
  'perceptual_hashes.layout',
] as const;

async function featuresOf(
  db: InsightDatabase,
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

/** @returns how many pictures were compared */
export async function pairDuplicates(
  db: InsightDatabase,
  write: RunWrite,
  feed: EntityFeed,
  index: Pick<PhashIndex, 'nearest'>,
): Promise<number> {
  const rows = await db
    .selectFrom('perceptual_hashes')
    .select(['perceptual_hashes.id', 'perceptual_hashes.entity_id', 'perceptual_hashes.phash'])
    .select(FEATURES)
    .where('perceptual_hashes.is_paired', '=', sql.lit(0))
    .orderBy('perceptual_hashes.id')
    .limit(BATCH_SIZE)
    .execute();
  const entities = await feed.find([...new Set(rows.map(({ entity_id }) => entity_id))]);
  const types = new Map(entities.map(({ id, type }) => [id, type]));
  for (const row of rows) {
    const isComparable = types.get(row.entity_id) === 'image' && hasStructure(row);
    const near = isComparable ? await index.nearest(row.phash, MAX_NEIGHBOURS) : [];
    const others = near.filter(({ entityId, distance }) => entityId !== row.entity_id && distance <= MAX_DISTANCE);
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
        const both = await feed.find([pair.entity_id, pair.other_id], trx);
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
