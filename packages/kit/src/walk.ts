/** Walks through a folder one directory at a time, in constant memory. */
import fs from 'node:fs/promises';
import path from 'node:path';

/** All files below a folder, relative to it; entries of the folder itself that begin with a dot are left out. */
export async function* filesBelow(root: string, below = ''): AsyncGenerator<string> {
  const folder = await fs.opendir(path.join(root, below)).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  if (!folder) return;
  for await (const entry of folder) {
    if (below === '' && entry.name.startsWith('.')) continue;
    const relative = below === '' ? entry.name : `${below}/${entry.name}`;
    if (entry.isDirectory()) yield* filesBelow(root, relative);
    else yield relative;
  }
}

/** Groups of at most `size`. */
export async function* inGroups<T>(items: AsyncIterable<T>, size: number): AsyncGenerator<T[]> {
  let group: T[] = [];
  for await (const item of items) {
    group.push(item);
    if (group.length < size) continue;
    yield group;
    group = [];
  }
  if (group.length > 0) yield group;
}
