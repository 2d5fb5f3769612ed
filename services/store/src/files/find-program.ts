import fs from 'node:fs';
import path from 'node:path';

/** A program's path: as set, else from PATH; undefined where there is none. */
export function findProgram(
  set: string | undefined,
  program: string,
  searchPath: string | undefined,
): string | undefined {
  const candidates =
    set !== undefined ? [set] : (searchPath ?? '').split(path.delimiter).map((folder) => path.join(folder, program));
  return candidates.find((file) => fs.existsSync(file));
}
