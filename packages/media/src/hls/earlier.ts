/**
 * Keeps the stream that a folder already holds until the next one is complete: if one of two runs on a folder fails, it
 * must not destroy the stream of the other.
 *
 * ```
 * begin: complete stream -> set aside; anything else -> removed
 * new stream complete -> the old one is deleted          new stream failed -> the old one comes back
 * ```
 */
import fs from 'node:fs/promises';
import path from 'node:path';
import { HLS_FILES } from '@cl-server/contract';
import { checkedFiles, clearStream, streamFiles } from './folder.js';

/** A folder within the stream's folder, so that both are removed together; requests of players do not reach it. */
const ASIDE_FOLDER = '.earlier';

/** Whether the master playlist and everything that it lists exist. */
async function isComplete(folder: string): Promise<boolean> {
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

/** Leaves the folder without a stream. A run that was killed may have left a stream aside: it stays there. */
export async function setAside(folder: string): Promise<void> {
  if (!(await isComplete(folder))) return clearStream(folder);
  const aside = path.join(folder, ASIDE_FOLDER);
  await deleteEarlier(folder);
  await fs.mkdir(aside);
  await move(folder, aside, await streamFiles(folder));
}

/** Leaves the folder with the stream that was set aside, or with none. */
export async function restoreEarlier(folder: string): Promise<void> {
  const aside = path.join(folder, ASIDE_FOLDER);
  await clearStream(folder);
  // The files that players read first come last.
  if (await isComplete(aside)) await move(aside, folder, [...(await streamFiles(aside))].reverse());
  await deleteEarlier(folder);
}

export const deleteEarlier = (folder: string): Promise<void> =>
  fs.rm(path.join(folder, ASIDE_FOLDER), { recursive: true, force: true });
