/** Removes crops of entities that are gone: what a process that died between a commit and its clean-up left behind. */
import fs from 'node:fs/promises';
import path from 'node:path';
import type { Kysely } from 'kysely';
import type { StoreTables } from '../database/tables.js';
import type { MediaFolder } from '../files/media-folder.js';

const AT_ONCE = 500;

/** @returns how many entities' crops were removed */
export async function sweepCrops(db: Kysely<StoreTables>, media: MediaFolder): Promise<number> {
  const root = path.join(media.derived, 'faces');
  const names = await fs.readdir(root).catch(() => []);
  const ids = names.map(Number).filter(Number.isSafeInteger);
  let removed = 0;
  for (let at = 0; at < ids.length; at += AT_ONCE) {
    const slice = ids.slice(at, at + AT_ONCE);
    const rows = await db.selectFrom('entities').select('id').where('id', 'in', slice).execute();
    const known = new Set(rows.map(({ id }) => id));
    for (const id of slice) {
      if (known.has(id)) continue;
      await fs.rm(path.join(root, String(id)), { recursive: true, force: true });
      removed++;
    }
  }
  return removed;
}
