/** Where the crops of faces are: `.derived/faces/{entity}/{file}` in the media folder. */
import fs from 'node:fs/promises';
import path from 'node:path';
import { TOPICS } from '@cl-server/contract';
import type { Broadcaster } from '@cl-server/service-kit';
import type { MediaPaths } from './port.js';

export const cropFolder = (media: Pick<MediaPaths, 'derived'>, entityId?: number): string =>
  path.join(media.derived, 'faces', ...(entityId === undefined ? [] : [String(entityId)]));

export const removeCrops = (media: Pick<MediaPaths, 'derived'>, entityId: number): Promise<void> =>
  fs.rm(cropFolder(media, entityId), { recursive: true, force: true });

/** Removes what is left of the insights of a deleted entity outside of the database. May be repeated. */
export async function eraseEntity(
  entityId: number,
  options: {
    readonly media: Pick<MediaPaths, 'derived'>;
    readonly broadcaster: Pick<Broadcaster, 'clearRetained'>;
    readonly storePort: number;
  },
): Promise<void> {
  await removeCrops(options.media, entityId);
  await options.broadcaster.clearRetained(TOPICS.entityStatus(options.storePort, entityId));
}
