import { promises as fsp } from 'node:fs';
import path from 'node:path';

/** The path of the file to save. As in `cp`, a folder as destination means a file of this name in it. */
export async function destination(dest: string, name: string): Promise<string> {
  const isFolder = /[/\\]$/.test(dest) || (await fsp.stat(dest).catch(() => undefined))?.isDirectory() === true;
  return isFolder ? path.join(dest, name) : dest;
}
