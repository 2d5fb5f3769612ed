import type { Transaction } from 'kysely';
import type { StoreTables } from '../database/tables.js';
import { noteJobsOf } from '../erase/note.js';

/**
 * Removes all that is known of an entity beyond its file: inferences, faces, vectors, hashes.
 * @returns crops to remove once the transaction is committed, relative to the media folder
 */
export async function forgetEntity(db: Transaction<StoreTables>, entityId: number, now: number): Promise<string[]> {
  await noteJobsOf(db, [entityId], now);
  const faces = await db.selectFrom('faces').select('file_path').where('entity_id', '=', entityId).execute();
  await db.deleteFrom('near_duplicates').where('other_id', '=', entityId).execute();
  for (const table of ['inferences', 'faces', 'perceptual_hashes', 'near_duplicates', 'vectors', 'insights'] as const)
    await db.deleteFrom(table).where('entity_id', '=', entityId).execute();
  return faces.map(({ file_path }) => file_path).filter((file) => file !== '');
}
