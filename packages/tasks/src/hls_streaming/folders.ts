import fs from 'node:fs/promises';
import path from 'node:path';

/** Follows all links of what exists of a path, and keeps the rest. */
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
 * A path from a client, its links followed, if it lies below a folder; otherwise undefined. The folder itself does not
 * count.
 */
export async function inside(folder: string, file: string): Promise<string | undefined> {
  if (!path.isAbsolute(file) || file.includes('\0')) return undefined;
  try {
    const root = await resolved(folder);
    const real = await resolved(path.normalize(file));
    // A link to nowhere stays in `real` as a name; following it later would lead out.
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
