import fs from 'node:fs';
import path from 'node:path';

function isProgram(file: string): boolean {
  try {
    fs.accessSync(file, fs.constants.X_OK);
    return fs.statSync(file).isFile();
  } catch {
    return false;
  }
}

/**
 * The absolute path of a program; undefined if there is none.
 * @param set a configured path; if given, PATH is not searched
 * @param searchPath the variable PATH
 */
export function findProgram(name: string, set: string | undefined, searchPath: string | undefined): string | undefined {
  const folders = (searchPath ?? '').split(path.delimiter).filter((folder) => folder !== '');
  const candidates = set === undefined ? folders.map((folder) => path.join(folder, name)) : [set];
  return candidates.map((file) => path.resolve(file)).find(isProgram);
}
