/**
 * Crops that no face has. The insight worker writes crops before their rows, so the crops of an entity whose faces are being
 * detected are left alone.
 */
import type { BlobStore } from '@cl-server/blobs';
import { inGroups } from '@cl-server/kit';
import { FACE_DETECTION } from '../built-in/face-detection.js';
import { CROPS } from '../crops.js';
import type { InsightDatabase, RunWrite } from '../port.js';
import type { Orphans } from './orphans.js';

const BATCH_SIZE = 500;

/** `.derived/faces/{entity}/{crop}` */
const CROP = /^\.derived\/faces\/(\d{1,15})\/[^/]+$/;

const entityOf = (key: string): number => Number(CROP.exec(key)?.[1] ?? 0);

/** Items are keys in the blob store of the media. */
export class OrphanedCrops implements Orphans<string> {
  constructor(
    private readonly db: InsightDatabase,
    private readonly blobs: Pick<BlobStore, 'list' | 'delete'>,
    private readonly write: RunWrite,
  ) {}

  async *find(): AsyncGenerator<string> {
    for await (const keys of inGroups(this.blobs.list(CROPS), BATCH_SIZE)) yield* await withoutFace(this.db, keys);
  }

  remove(key: string): Promise<boolean> {
    return this.write(null, async ({ db }) => {
      if ((await withoutFace(db, [key])).length === 0) return false;
      await this.blobs.delete(key);
      return true;
    });
  }
}

async function withoutFace(db: InsightDatabase, keys: readonly string[]): Promise<string[]> {
  const entities = [...new Set(keys.map(entityOf).filter((id) => id > 0))];
  const kept = await cropsOf(db, entities);
  const busy = await busyAmong(db, entities);
  return keys.filter((key) => {
    const entity = entityOf(key);
    return entity > 0 && !busy.has(entity) && !kept.has(key);
  });
}

async function cropsOf(db: InsightDatabase, entities: readonly number[]): Promise<ReadonlySet<string>> {
  if (entities.length === 0) return new Set();
  const rows = await db.selectFrom('faces').select('file_path').where('entity_id', 'in', entities).execute();
  return new Set(rows.map((row) => row.file_path));
}

async function busyAmong(db: InsightDatabase, entities: readonly number[]): Promise<ReadonlySet<number>> {
  if (entities.length === 0) return new Set();
  const rows = await db
    .selectFrom('inferences')
    .select('entity_id')
    .where('entity_id', 'in', entities)
    .where('task_type', '=', FACE_DETECTION)
    .where('status', 'in', ['pending', 'processing'])
    .execute();
  return new Set(rows.map((row) => row.entity_id));
}
