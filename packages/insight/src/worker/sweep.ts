/** Removes crops of deleted entities: a process that died between a commit and its clean-up left them behind. */

import fs from 'node:fs/promises';
import { cropFolder, removeCrops } from '../crops.js';
import type { EntityFeed, MediaPaths } from '../port.js';

const BATCH_SIZE = 500;

/** @returns how many entities' crops were removed */
export async function sweepCrops(feed: Pick<EntityFeed, 'find'>, media: MediaPaths): Promise<number> {
  const root = cropFolder(media);
  const names = await fs.readdir(root).catch(() => []);
  const ids = names.map(Number).filter(Number.isSafeInteger);
  let removed = 0;
  for (let at = 0; at < ids.length; at += BATCH_SIZE) {
    const slice = ids.slice(at, at + BATCH_SIZE);
    const rows = await feed.find(slice);
    const known = new Set(rows.map(({ id }) => id));
    for (const id of slice) {
      if (known.has(id)) continue;
      await removeCrops(media, id);
      removed++;
    }
  }
  return removed;
}
