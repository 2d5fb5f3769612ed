/** The plugin folder: each sub-folder a package, or a single `.js`/`.mjs` file whose name is its task's. */
import fs from 'node:fs';
import path from 'node:path';
import { type Declared, declaredTasks } from './manifest.js';

const MODULE = /^(?<name>[^._].*)\.m?js$/;

/** `my-task.js` holds `my_task`. */
const taskOf = (name: string): string => name.replaceAll('-', '_');

/** What a plugin folder declares; an absent folder declares nothing. */
export function folderPlugins(folder: string): Declared {
  let names: string[];
  try {
    names = fs.readdirSync(folder).sort();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return { candidates: [], broken: [] };
    throw error;
  }
  const candidates: Declared['candidates'][number][] = [];
  const broken: Declared['broken'][number][] = [];
  for (const entry of names) {
    if (entry.startsWith('.') || entry.startsWith('_') || entry === 'node_modules') continue;
    const file = path.join(folder, entry);
    const stat = fs.statSync(file, { throwIfNoEntry: false });
    if (stat?.isDirectory()) {
      const declared = declaredTasks(file, 'folder', true);
      candidates.push(...declared.candidates);
      broken.push(...declared.broken);
      continue;
    }
    const name = MODULE.exec(entry)?.groups?.['name'];
    if (stat?.isFile() && name !== undefined)
      candidates.push({ task: taskOf(name), package: entry, version: '', source: 'folder', file });
  }
  return { candidates, broken };
}
