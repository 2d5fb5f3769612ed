import { promises as fsp } from 'node:fs';
import path from 'node:path';
import type { Context } from '../context.js';
import { CliError, EXIT } from '../exit-codes.js';
import { agreed } from '../io/prompt.js';

/** The path of the file to save. As in `cp`, a folder as destination means a file of this name in it. */
export async function destination(dest: string, name: string): Promise<string> {
  const isFolder = /[/\\]$/.test(dest) || (await fsp.stat(dest).catch(() => undefined))?.isDirectory() === true;
  return isFolder ? path.join(dest, name) : dest;
}

/** Whether something is at a path that saving there would replace: a file, or a folder that is not empty. */
export async function isTaken(dest: string): Promise<boolean> {
  const stat = await fsp.lstat(dest).catch(() => undefined);
  return stat !== undefined && (!stat.isDirectory() || (await fsp.readdir(dest)).length > 0);
}

/** The option that allows replacing files. */
export interface OverwriteOptions {
  readonly overwrite?: boolean | undefined;
  /** False if the user is not asked, because several files are saved at the same time. */
  readonly ask?: boolean;
}

/**
 * Makes sure that a path may be written to. On a terminal the user is asked whether to replace what is there.
 * @throws CliError if something is there and must stay
 */
export async function mayWrite(
  context: Context,
  dest: string,
  { overwrite, ask = true }: OverwriteOptions,
): Promise<void> {
  if (overwrite || !(await isTaken(dest))) return;
  if (ask && context.out.format === 'human' && (await agreed(context.world, `${dest} exists. Overwrite it?`))) return;
  throw new CliError(`${dest} already exists`, EXIT.conflict, 'Use --overwrite to replace it');
}
