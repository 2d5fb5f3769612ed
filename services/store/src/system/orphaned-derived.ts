/**
 * Previews of contents that are gone, and crops that no face has. The insight worker writes crops before their rows, so
 * those of an entity whose faces are being looked for are left alone.
 */
import path from 'node:path';
import type { Kysely } from 'kysely';
import type { StoreTables } from '../database/tables.js';
import type { RunWrite } from '../database/transaction.js';
import type { MediaFolder } from '../files/media-folder.js';
import { filesBelow, inGroups } from '../files/walk.js';
import { FACE_DETECTION } from '../insight/built-in/face-detection.js';
import type { Orphans } from './orphans.js';

const GROUP = 500;

/** `previews/{2 digits}/{sha256}.png`; one that is being made has a longer name. */
const PREVIEW = /^previews\/[0-9a-f]{2}\/([0-9a-f]{64})\.png$/;
/** `faces/{entity}/{crop}`. */
const CROP = /^faces\/(\d{1,15})\/[^/]+$/;

/** Items are paths relative to the media folder. */
export class OrphanedDerived implements Orphans<string> {
  constructor(
    private readonly db: Kysely<StoreTables>,
    private readonly folder: MediaFolder,
    private readonly write: RunWrite,
  ) {}

  async *find(): AsyncGenerator<string> {
    const { root, derived } = this.folder;
    for await (const group of inGroups(filesBelow(derived), GROUP)) {
      const orphans = await unreferenced(this.db, group, (name) => path.relative(root, path.join(derived, name)));
      yield* orphans.map((name) => path.relative(root, path.join(derived, name)));
    }
  }

  remove(file: string): Promise<boolean> {
    const { root, derived } = this.folder;
    const name = path.relative(derived, path.join(root, file));
    return this.write(null, async ({ db }) => {
      if ((await unreferenced(db, [name], () => file)).length === 0) return false;
      this.folder.removeNow(file);
      return true;
    });
  }
}

/** @param stored how a row would name the file */
async function unreferenced(
  db: Kysely<StoreTables>,
  names: readonly string[],
  stored: (name: string) => string,
): Promise<string[]> {
  const digestOf = (name: string) => PREVIEW.exec(name)?.[1];
  const entityOf = (name: string) => Number(CROP.exec(name)?.[1] ?? 0);
  const contents = await contentsAmong(db, [...new Set(names.flatMap((name) => digestOf(name) ?? []))]);
  const entities = [...new Set(names.map(entityOf).filter((id) => id > 0))];
  const crops = await cropsOf(db, entities);
  const busy = await busyAmong(db, entities);
  return names.filter((name) => {
    const digest = digestOf(name);
    if (digest !== undefined) return !contents.has(digest);
    const entity = entityOf(name);
    return entity > 0 && !busy.has(entity) && !crops.has(stored(name));
  });
}

async function contentsAmong(db: Kysely<StoreTables>, digests: readonly string[]): Promise<ReadonlySet<string>> {
  if (digests.length === 0) return new Set();
  const rows = await db.selectFrom('files').select('sha256').where('sha256', 'in', digests).execute();
  return new Set(rows.map((row) => row.sha256));
}

async function cropsOf(db: Kysely<StoreTables>, entities: readonly number[]): Promise<ReadonlySet<string>> {
  if (entities.length === 0) return new Set();
  const rows = await db.selectFrom('faces').select('file_path').where('entity_id', 'in', entities).execute();
  return new Set(rows.map((row) => row.file_path));
}

async function busyAmong(db: Kysely<StoreTables>, entities: readonly number[]): Promise<ReadonlySet<number>> {
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
