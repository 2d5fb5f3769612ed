/** Removes crops of deleted entities: a process that died between a commit and its clean-up left them behind. */

import type { BlobStore } from '@cl-server/blobs';
import { inGroups } from '@cl-server/kit';
import { CROPS, removeCrops } from '../crops.js';
import type { EntityFeed } from '../port.js';

const BATCH_SIZE = 500;

/** @returns how many entities' crops were removed */
export async function sweepCrops(
  feed: Pick<EntityFeed, 'find'>,
  blobs: Pick<BlobStore, 'folders' | 'deleteBelow'>,
): Promise<number> {
  let removed = 0;
  for await (const names of inGroups(blobs.folders(CROPS), BATCH_SIZE)) {
    const ids = names.map(Number).filter(Number.isSafeInteger);
    const rows = await feed.find(ids);
    const known = new Set(rows.map(({ id }) => id));
    for (const id of ids) {
      if (known.has(id)) continue;
      await removeCrops(blobs, id);
      removed++;
    }
  }
  return removed;
}
