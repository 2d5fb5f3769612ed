/**
 * Crops that no face has. The insight worker writes crops before their rows, so the crops of an entity whose faces are being
 * detected are left alone.
 */
import path from 'node:path';
import { filesBelow, inGroups } from '@cl-server/kit';
import { FACE_DETECTION } from '../built-in/face-detection.js';
import { cropFolder } from '../crops.js';
import type { InsightDatabase, MediaPaths, RunWrite } from '../port.js';
import type { Orphans } from './orphans.js';

const BATCH_SIZE = 500;

/** `{entity}/{crop}` */
const CROP = /^(\d{1,15})\/[^/]+$/;

const entityOf = (name: string): number => Number(CROP.exec(name)?.[1] ?? 0);

/** Items are paths relative to the media folder. */
export class OrphanedCrops implements Orphans<string> {
  constructor(
    private readonly db: InsightDatabase,
    private readonly media: MediaPaths,
    private readonly write: RunWrite,
  ) {}

  async *find(): AsyncGenerator<string> {
    for await (const names of inGroups(filesBelow(cropFolder(this.media)), BATCH_SIZE))
      yield* await this.#withoutFace(this.db, names);
  }

  remove(file: string): Promise<boolean> {
    const name = path.relative(cropFolder(this.media), this.media.resolve(file));
    return this.write(null, async ({ db }) => {
      if ((await this.#withoutFace(db, [name])).length === 0) return false;
      this.media.removeNow(file);
      return true;
    });
  }

  async #withoutFace(db: InsightDatabase, names: readonly string[]): Promise<string[]> {
    const entities = [...new Set(names.map(entityOf).filter((id) => id > 0))];
    const kept = await cropsOf(db, entities);
    const busy = await busyAmong(db, entities);
    return names.flatMap((name) => {
      const entity = entityOf(name);
      const file = path.relative(this.media.root, path.join(cropFolder(this.media), name));
      return entity > 0 && !busy.has(entity) && !kept.has(file) ? [file] : [];
    });
  }
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
