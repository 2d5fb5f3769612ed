/** Finds files by name in a folder and the folders below it. */
import fsp from 'node:fs/promises';
import path from 'node:path';

const MAX_DEPTH = 4;

export async function findByName(dir: string, names: ReadonlySet<string>, depth = MAX_DEPTH): Promise<string[]> {
  const entries = await fsp.readdir(dir, { withFileTypes: true }).catch(() => []);
  const found: string[] = [];
  for (const entry of entries) {
    const file = path.join(dir, entry.name);
    if (names.has(entry.name) && !entry.isDirectory()) found.push(file);
    else if (entry.isDirectory() && depth > 1) found.push(...(await findByName(file, names, depth - 1)));
  }
  return found;
}

/** A path for storage: relative to the folder if it is inside, so that both can move. */
export function portable(dir: string, file: string): string {
  const relative = path.relative(dir, file);
  const outside = relative.split(path.sep)[0] === '..' || path.isAbsolute(relative);
  return outside ? file : relative.split(path.sep).join('/');
}
