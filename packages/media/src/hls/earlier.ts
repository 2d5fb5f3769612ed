/**
 * The stream that a folder holds already, kept until the next one is whole: of two runs on one folder, the one that fails
 * must not take the other's stream with it.
 *
 * ```
 * begin: whole stream -> set aside; anything else -> removed
 * new one whole -> the old one goes          new one failed -> the old one comes back
 * ```
 */
import fs from 'node:fs/promises';
import path from 'node:path';
import { HLS_FILES } from '@cl-server/contract';
import { checkedFiles, clearStream, streamFiles } from './folder.js';

/** Within the folder, so that it goes with it; no player's request reaches below. */
const ASIDE = '.earlier';

/** The master is there, and so is everything it lists. */
async function isWhole(folder: string): Promise<boolean> {
  try {
    const master = await fs.readFile(path.join(folder, HLS_FILES.master), 'utf8');
    const playlists = master.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
    for (const playlist of playlists) await checkedFiles(folder, path.basename(playlist));
    return playlists.length > 0;
  } catch {
    return false;
  }
}

async function move(from: string, to: string, names: readonly string[]): Promise<void> {
  for (const name of names) await fs.rename(path.join(from, name), path.join(to, name));
}

/** Leaves the folder without a stream. A run that was killed may have left one aside: it stays there. */
export async function setAside(folder: string): Promise<void> {
  if (!(await isWhole(folder))) return clearStream(folder);
  const aside = path.join(folder, ASIDE);
  await dropAside(folder);
  await fs.mkdir(aside);
  await move(folder, aside, await streamFiles(folder));
}

/** Leaves the folder with the stream that was set aside, or with none. */
export async function bringBack(folder: string): Promise<void> {
  const aside = path.join(folder, ASIDE);
  await clearStream(folder);
  // What players begin with comes last.
  if (await isWhole(aside)) await move(aside, folder, [...(await streamFiles(aside))].reverse());
  await dropAside(folder);
}

export const dropAside = (folder: string): Promise<void> =>
  fs.rm(path.join(folder, ASIDE), { recursive: true, force: true });
