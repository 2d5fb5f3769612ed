import { promises as fsp } from 'node:fs';
import path from 'node:path';

/** Where a file is to be saved: as `cp` has it, a folder means a file of this name within. */
export async function destination(dest: string, name: string): Promise<string> {
  const isFolder = /[/\\]$/.test(dest) || (await fsp.stat(dest).catch(() => undefined))?.isDirectory() === true;
  return isFolder ? path.join(dest, name) : dest;
}
