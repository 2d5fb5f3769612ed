import fs from 'node:fs';
import path from 'node:path';
import { alreadyExists, errorCode } from '@cl-server/kit';
import { StartupError } from '../errors.js';

export interface DataDirOptions {
  /** Make the folder if it is absent; a worker must find it made. */
  readonly create: boolean;
}

/** One by one: `recursive` never returns where a file system says ENOENT to a new folder, as /proc does. */
function makeFolder(folder: string): void {
  if (fs.existsSync(folder)) return;
  makeFolder(path.dirname(folder));
  try {
    fs.mkdirSync(folder, { mode: 0o750 });
  } catch (error) {
    if (!alreadyExists(error)) throw error; // another process was faster
  }
}

/**
 * Checks the data folder: a directory that can be read and written.
 * @returns its absolute path
 * @throws StartupError saying what to do
 */
export function openDataDir(dir: string | undefined, { create }: DataDirOptions): string {
  if (dir === undefined || dir.trim() === '')
    throw new StartupError(
      'CL_SERVER_DIR is not set: name the data folder with it, or start everything with "npm start"',
    );
  const folder = path.resolve(dir);
  try {
    if (create) makeFolder(folder);
    if (!fs.statSync(folder).isDirectory())
      throw new StartupError(
        `the data folder ${folder} is not a folder: choose another with --data-dir or CL_SERVER_DIR`,
      );
    fs.accessSync(folder, fs.constants.R_OK | fs.constants.W_OK);
    // access(2) says yes to root on a read-only file system's files; only a write proves it.
    const probe = path.join(folder, `.write-test-${process.pid}`);
    fs.writeFileSync(probe, '');
    fs.rmSync(probe);
  } catch (error) {
    if (error instanceof StartupError) throw error;
    const code = errorCode(error);
    if (code === 'ENOENT' && !create)
      throw new StartupError(`the data folder ${folder} does not exist: start the server first, or create it`);
    if (code === 'ENOTDIR' || code === 'EEXIST')
      throw new StartupError(`the data folder ${folder} cannot be created: a part of its path is a file`);
    throw new StartupError(
      `the data folder ${folder} cannot be written (${code}): correct its permissions, or choose another with --data-dir or CL_SERVER_DIR`,
    );
  }
  return folder;
}
