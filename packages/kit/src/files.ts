/** Functions that examine paths, and that write so that a power cut leaves either the old file or the new one. */
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import fsp from 'node:fs/promises';
import path from 'node:path';
import { alreadyExists, isMissing } from './errors.js';

/** Whether something is at `file`; a link that leads nowhere counts as nothing. */
export const exists = (file: string): Promise<boolean> =>
  fsp.access(file).then(
    () => true,
    () => false,
  );

/** Whether `file` is `folder` or lies below it. Both are absolute and normalised. */
export const isWithin = (folder: string, file: string): boolean =>
  file === folder || file.startsWith(folder.endsWith(path.sep) ? folder : folder + path.sep);

/** The text of a file, or undefined if there is no such file. */
export async function readIfExists(file: string): Promise<string | undefined> {
  try {
    return await fsp.readFile(file, 'utf8');
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

/** Waits until the bytes of a file, or the entries of a folder, are on the disk. Symbolic links are refused (`ELOOP`). */
export async function sync(file: string): Promise<void> {
  const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = fs.constants;
  const handle = await fsp.open(file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function writeDraft(file: string, text: string, mode: number): Promise<string> {
  const draft = `${file}.${randomBytes(6).toString('hex')}.draft`;
  const handle = await fsp.open(draft, 'wx', mode);
  try {
    await handle.writeFile(text);
    await handle.sync();
  } finally {
    await handle.close();
  }
  return draft;
}

/** Replaces a file as a whole: a reader, also after a power cut, finds the old text or the new one. */
export async function replaceFile(file: string, text: string, mode: number): Promise<void> {
  const draft = await writeDraft(file, text, mode);
  await fsp.rename(draft, file);
  await sync(path.dirname(file));
}

/** Creates a file as a whole unless it exists. @returns whether this call created it */
export async function createFile(file: string, text: string, mode: number): Promise<boolean> {
  const draft = await writeDraft(file, text, mode);
  try {
    await fsp.link(draft, file);
    await sync(path.dirname(file));
    return true;
  } catch (error) {
    if (alreadyExists(error)) return false;
    throw error;
  } finally {
    await fsp.rm(draft, { force: true });
  }
}

/** {@link createFile} for code that starts up synchronously; the file is not synced to the disk. */
export function createFileSync(file: string, text: string, mode: number): boolean {
  const draft = `${file}.${process.pid}.${randomBytes(6).toString('hex')}`;
  fs.writeFileSync(draft, text, { mode, flag: 'wx' });
  try {
    fs.linkSync(draft, file); // This fails if another process was first.
    return true;
  } catch (error) {
    if (alreadyExists(error)) return false;
    throw error;
  } finally {
    fs.rmSync(draft, { force: true });
  }
}
