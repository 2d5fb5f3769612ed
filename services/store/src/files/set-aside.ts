/**
 * Files that no row refers to are set aside for a time before they go for good: a mistake in a database or a script must
 * not cost an original. `media/.orphans/{milliseconds}/{folder}/{name}`; moving a file back is enough to have it again.
 */
import fsSync from 'node:fs';
import fs from 'node:fs/promises';
import path from 'node:path';
import type { Logger } from '@cl-server/service-kit';

export interface SetAsideOptions {
  /** The media folder, absolute. */
  readonly root: string;
  /** How long a file is kept, milliseconds. */
  readonly graceMs: number;
  readonly logger: Logger;
  readonly now: () => number;
}

const FOLDER = '.orphans';
const SWEEP_EVERY_MS = 3_600_000;
/** Files that are set aside within this time lie in one folder. */
const ROUND_MS = 60_000;

export class SetAside {
  readonly #options: SetAsideOptions;
  readonly #timer: NodeJS.Timeout;

  constructor(options: SetAsideOptions) {
    this.#options = options;
    this.#timer = setInterval(() => void this.sweep(), SWEEP_EVERY_MS).unref();
  }

  /**
   * Moves a file out of sight, with the folder that it was in. At once, since the caller holds the write lock.
   * @param relative to the media folder
   */
  takeNow(relative: string): void {
    const { root, now } = this.#options;
    const moment = Math.floor(now() / ROUND_MS) * ROUND_MS;
    const file = path.join(root, relative);
    const target = path.join(root, FOLDER, String(moment), relative);
    fsSync.mkdirSync(path.dirname(target), { recursive: true, mode: 0o750 });
    fsSync.renameSync(file, target);
    try {
      fsSync.rmdirSync(path.dirname(file));
    } catch {
      // Others lie in it.
    }
  }

  /** Removes for good what was set aside long ago. */
  async sweep(): Promise<void> {
    const { root, graceMs, logger, now } = this.#options;
    const home = path.join(root, FOLDER);
    try {
      for (const name of await fs.readdir(home).catch(() => [])) {
        const moment = Number(name);
        if (!Number.isSafeInteger(moment) || moment > now() - graceMs) continue;
        await fs.rm(path.join(home, name), { recursive: true, force: true });
        logger.info({ set_aside: new Date(moment).toISOString() }, 'orphaned files removed for good');
      }
    } catch (error) {
      logger.error({ err: error }, 'orphaned files that were set aside could not be removed; tried again in an hour');
    }
  }

  close(): void {
    clearInterval(this.#timer);
  }
}
