/**
 * Files that no row refers to are set aside for a while before they are deleted, because a mistake in a database or script
 * must not destroy an original. `media/.orphans/{milliseconds}/{folder}/{name}`; moving a file back is enough to have it again.
 */
import type { BlobStore } from '@cl-server/blobs';
import type { Logger } from '@cl-server/service-kit';

export interface SetAsideOptions {
  readonly blobs: Pick<BlobStore, 'move' | 'folders' | 'deleteBelow'>;
  /** How long a file is kept, milliseconds. */
  readonly graceMs: number;
  readonly logger: Logger;
  readonly now: () => number;
}

const FOLDER = '.orphans/';
const SWEEP_EVERY_MS = 3_600_000;
/** Files that are set aside within this time are in one folder. */
const ROUND_MS = 60_000;

export class SetAside {
  readonly #options: SetAsideOptions;
  readonly #timer: NodeJS.Timeout;

  constructor(options: SetAsideOptions) {
    this.#options = options;
    this.#timer = setInterval(() => void this.sweep(), SWEEP_EVERY_MS).unref();
  }

  /** Moves a file out of sight, with the folder that it was in. */
  async take(key: string): Promise<void> {
    const { blobs, now } = this.#options;
    const moment = Math.floor(now() / ROUND_MS) * ROUND_MS;
    // Its bytes are on the disk already, whichever of the two names survives a power cut.
    await blobs.move(key, `${FOLDER}${moment}/${key}`, { isDurable: false });
  }

  /** Deletes files permanently that were set aside long ago. */
  async sweep(): Promise<void> {
    const { blobs, graceMs, logger, now } = this.#options;
    try {
      for await (const name of blobs.folders(FOLDER)) {
        const moment = Number(name);
        if (!Number.isSafeInteger(moment) || moment > now() - graceMs) continue;
        await blobs.deleteBelow(`${FOLDER}${name}/`);
        logger.info({ set_aside: new Date(moment).toISOString() }, 'orphaned files were deleted permanently');
      }
    } catch (error) {
      logger.error(
        { err: error },
        'orphaned files that were set aside could not be removed; it is tried again in an hour',
      );
    }
  }

  close(): void {
    clearInterval(this.#timer);
  }
}
