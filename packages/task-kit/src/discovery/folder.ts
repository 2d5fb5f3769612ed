/**
 * Finds tasks in the plugin folder: each sub-folder is a package, and each single `.js`, `.mjs`, `.ts` or `.mts` file is a task with the
 * name of the file.
 */
import fs from 'node:fs';
import path from 'node:path';
import { type Declared, type Definitions, declaredModules } from './manifest.js';

const MODULE = /^(?<name>[^._].*?)(?<!\.d)\.m?[jt]s$/;

/** `my-task.js` contains `my_task`. */
const taskOf = (name: string): string => name.replaceAll('-', '_');

/**
 * The tasks, or the insights, that a plugin folder declares; a missing folder declares none. A single file may export an insight
 * beside its task.
 */
export function folderPlugins(folder: string, what: Definitions): Declared {
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
      const declared = declaredModules(file, 'folder', { what, mustDeclare: what === 'tasks' });
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
