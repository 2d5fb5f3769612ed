import type { Follower } from '../collect-context.js';
import type { EntityFeed, InsightTransaction } from '../port.js';
import { jobsOf } from './jobs-of.js';

type Trx = InsightTransaction;

/** Tables with rows of an entity's insights. `near_duplicates` names a second entity as well. */
const TABLES = [
  'inferences',
  'insight_results',
  'faces',
  'perceptual_hashes',
  'near_duplicates',
  'vectors',
  'insights',
] as const;

/**
 * Deletes all insights of an entity.
 * @returns crops to remove once the transaction is committed, relative to the media folder
 */
export async function deleteInsights(
  { db, feed, now }: { readonly db: Trx; readonly feed: Pick<EntityFeed, 'eraseJobs'>; readonly now: number },
  entityId: number,
): Promise<string[]> {
  await feed.eraseJobs(db, await jobsOf(db, [entityId]), now);
  const faces = await db.selectFrom('faces').select('file_path').where('entity_id', '=', entityId).execute();
  await db.deleteFrom('near_duplicates').where('other_id', '=', entityId).execute();
  for (const table of TABLES) await db.deleteFrom(table).where('entity_id', '=', entityId).execute();
  return faces.map(({ file_path }) => file_path).filter((file) => file !== '');
}

/** Deletes what the insights that follow another one have about one of its subjects. */
export async function deleteSubject(
  db: Trx,
  { entityId, subject }: { readonly entityId: number; readonly subject: number },
  followers: readonly Pick<Follower, 'name' | 'vectorKind'>[],
): Promise<void> {
  for (const { name, vectorKind } of followers) {
    await db
      .deleteFrom('inferences')
      .where('entity_id', '=', entityId)
      .where('task_type', '=', name)
      .where('subject', '=', String(subject))
      .execute();
    await db
      .deleteFrom('insight_results')
      .where('entity_id', '=', entityId)
      .where('insight', '=', name)
      .where('subject', '=', String(subject))
      .execute();
    if (vectorKind === undefined) continue;
    await db
      .deleteFrom('vectors')
      .where('entity_id', '=', entityId)
      .where('kind', '=', vectorKind)
      .where('subject', '=', subject)
      .execute();
  }
}
