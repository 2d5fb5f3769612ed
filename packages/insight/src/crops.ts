/** The crops of faces: `.derived/faces/{entity}/{file}` in the blob store of the media. */
import type { BlobStore } from '@cl-server/blobs';
import { TOPICS } from '@cl-server/contract';
import type { Broadcaster } from '@cl-server/service-kit';

export const CROPS = '.derived/faces/';

const cropsOf = (entityId: number): string => `${CROPS}${entityId}/`;

export const cropKey = (entityId: number, name: string): string => cropsOf(entityId) + name;

export const removeCrops = (blobs: Pick<BlobStore, 'deleteBelow'>, entityId: number): Promise<boolean> =>
  blobs.deleteBelow(cropsOf(entityId));

/** Removes the files and messages that the insights of a deleted entity left outside of the database. Calls may be repeated. */
export async function eraseEntity(
  entityId: number,
  options: {
    readonly blobs: Pick<BlobStore, 'deleteBelow'>;
    readonly broadcaster: Pick<Broadcaster, 'clearRetained'>;
    readonly storePort: number;
  },
): Promise<void> {
  await removeCrops(options.blobs, entityId);
  await options.broadcaster.clearRetained(TOPICS.entityStatus(options.storePort, entityId));
}
