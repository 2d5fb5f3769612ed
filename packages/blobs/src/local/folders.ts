/** Folders of the local store: they come with the first blob in them and go with the last one. */
import { constants } from 'node:fs';
import fs from 'node:fs/promises';
import path from 'node:path';
import { errorCode, isMissing } from '@cl-server/kit';

const FOLDER_MODE = 0o750;
const MAX_TRIES = 5;
const STAYS = new Set(['ENOTEMPTY', 'EEXIST', 'ENOENT', 'EBUSY']);

/** Waits until the bytes of a file are on the disk. The file may be read-only. */
export async function syncFile(file: string): Promise<void> {
  await using handle = await fs.open(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  await handle.datasync();
}

/** Makes a file read-only for everyone. @throws Error with the code `ELOOP` for a symbolic link */
export async function makeReadOnly(file: string): Promise<void> {
  await using handle = await fs.open(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  await handle.chmod(0o440);
}

/** Waits until the entries of a folder are on the disk. The folder may be a symbolic link: the root of a store often is. */
async function syncFolder(folder: string): Promise<void> {
  await using handle = await fs.open(folder, constants.O_RDONLY);
  await handle.sync();
}

/**
 * Runs a change that needs the folder, and makes the folder if it is not there. Another process may remove the folder in
 * between, because it was empty: the change is tried again then.
 * @param source file that the change needs; if this one is missing, there is nothing to try again
 * @param isDurable wait until the folder, and the folders that were made for it, are on the disk
 */
export async function changeIn(
  folder: string,
  source: string,
  isDurable: boolean,
  change: () => Promise<void>,
): Promise<void> {
  let firstMade: string | undefined;
  for (let tries = 1; ; tries++) {
    try {
      await change();
      break;
    } catch (error) {
      if (!isMissing(error) || tries === MAX_TRIES) throw error;
      await fs.lstat(source);
      firstMade = (await fs.mkdir(folder, { recursive: true, mode: FOLDER_MODE })) ?? firstMade;
    }
  }
  if (!isDurable) return;
  const highest = firstMade === undefined ? folder : path.dirname(firstMade);
  for (let at = folder; ; at = path.dirname(at)) {
    await syncFolder(at);
    if (at === highest) return;
  }
}

/** Removes a folder and those above it while they are empty. Folders at the top that begin with a dot stay. */
export async function removeEmpty(folder: string, root: string): Promise<void> {
  for (let at = folder; at !== root; at = path.dirname(at)) {
    if (path.dirname(at) === root && path.basename(at).startsWith('.')) return;
    try {
      await fs.rmdir(at);
    } catch (error) {
      if (STAYS.has(errorCode(error) ?? '')) return;
      throw error;
    }
  }
}

/**
 * Every file below a folder, one directory at a time, in constant memory.
 * @param below relative to the root; empty, or ends with `/`. The results are relative to the root, too
 * @param isIncluded asked about the names directly in `below`
 */
export async function* filesBelow(
  root: string,
  below: string,
  isIncluded: (name: string) => boolean = () => true,
): AsyncGenerator<string> {
  const folder = await fs.opendir(path.join(root, below)).catch((error: unknown) => {
    if (isMissing(error)) return undefined;
    throw error;
  });
  if (!folder) return;
  for await (const entry of folder) {
    if (!isIncluded(entry.name)) continue;
    if (entry.isDirectory()) yield* filesBelow(root, `${below}${entry.name}/`);
    else yield `${below}${entry.name}`;
  }
}
