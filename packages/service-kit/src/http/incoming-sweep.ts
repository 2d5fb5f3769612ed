/**
 * Removes unfinished uploads of processes that died. A live upload is written to again and again, and its own process
 * removes it however it ends, so a file that nobody touched for an hour belongs to nobody.
 */

import fs from 'node:fs/promises';
import path from 'node:path';
import { isMissing, messageOf } from '@cl-server/kit';
import type { Logger } from '../logging/logger.js';

const NAME = /^[0-9a-f-]{36}\.part$/;
const HOUR = 3_600_000;

async function entriesOf(folder: string): Promise<string[]> {
  try {
    return await fs.readdir(folder);
  } catch (error) {
    if (isMissing(error)) return [];
    throw error;
  }
}

/** @returns how many files were removed */
export async function sweepIncoming(folder: string, now: number, maxAge = HOUR): Promise<number> {
  let removed = 0;
  for (const name of await entriesOf(folder)) {
    if (!NAME.test(name)) continue;
    const file = path.join(folder, name);
    // Another process may be quicker.
    const stat = await fs.lstat(file).catch(() => undefined);
    if (!stat || now - stat.mtimeMs < maxAge) continue;
    await fs.rm(file, { force: true });
    removed++;
  }
  return removed;
}

export interface IncomingFolders {
  /** From now on the folder is swept, too. */
  add(folder: string): void;
  close(): void;
}

/** Sweeps folders of unfinished uploads every few minutes. */
export function sweepRegularly(logger: Logger, every = HOUR / 6): IncomingFolders {
  const folders = new Set<string>();
  const sweep = async (): Promise<void> => {
    for (const folder of folders) {
      try {
        const removed = await sweepIncoming(folder, Date.now());
        if (removed > 0) logger.info({ removed }, 'unfinished uploads of a process that died were removed');
      } catch (error) {
        logger.warn({ reason: messageOf(error) }, 'the folder of unfinished uploads cannot be swept');
      }
    }
  };
  const timer = setInterval(() => void sweep(), every).unref();
  return { add: (folder) => folders.add(folder), close: () => clearInterval(timer) };
}
