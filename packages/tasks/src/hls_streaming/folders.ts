/** Checks that paths from clients are inside the configured folders. */
import fs from 'node:fs/promises';
import path from 'node:path';

/** Resolves all links in the existing part of a path and keeps the rest. */
async function resolved(file: string): Promise<string> {
  try {
    return await fs.realpath(file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    const parent = path.dirname(file);
    if (parent === file) throw error;
    return path.join(await resolved(parent), path.basename(file));
  }
}

/**
 * The resolved form of a client's path if it is inside a folder; otherwise undefined. The folder itself does not count
 * as inside.
 */
export async function inside(folder: string, file: string): Promise<string | undefined> {
  if (!path.isAbsolute(file) || file.includes('\0')) return undefined;
  try {
    const root = await resolved(folder);
    const real = await resolved(path.normalize(file));
    // A dangling link stays in `real` as a name; following it later could lead outside.
    if (await isLink(real)) return undefined;
    return real.startsWith(root + path.sep) ? real : undefined;
  } catch {
    return undefined;
  }
}

const isLink = (file: string): Promise<boolean> =>
  fs.lstat(file).then(
    (stats) => stats.isSymbolicLink(),
    () => false,
  );
