/** Finds installed packages that declare tasks, in every `node_modules` that an import from a folder could reach. */
import fs from 'node:fs';
import path from 'node:path';
import { type Declared, type Definitions, declaredModules } from './manifest.js';

/** The package that contains the platform's own tasks. */
export const BUILTIN_PACKAGE = '@cl-server/tasks';

function entries(folder: string): fs.Dirent[] {
  try {
    return fs.readdirSync(folder, { withFileTypes: true });
  } catch {
    return []; // missing or unreadable: nothing is installed there
  }
}

/** Package folders in one `node_modules`, including scoped ones. */
function packageFolders(modules: string): { readonly folder: string; readonly linked: boolean }[] {
  return entries(modules).flatMap((entry) => {
    if (entry.name.startsWith('.')) return [];
    // The path is joined by hand: normalizing many hundred paths takes longer than reading the files.
    const folder = `${modules}${path.sep}${entry.name}`;
    if (!entry.name.startsWith('@')) return [{ folder, linked: entry.isSymbolicLink() }];
    return entries(folder).map((scoped) => ({
      folder: `${folder}${path.sep}${scoped.name}`,
      linked: scoped.isSymbolicLink(),
    }));
  });
}

/** Every `node_modules` at or above `start`, the nearest first, in the order of module resolution. */
function modulesAbove(start: string): string[] {
  const found: string[] = [];
  for (let folder = path.resolve(start); ; folder = path.dirname(folder)) {
    if (path.basename(folder) !== 'node_modules') found.push(path.join(folder, 'node_modules'));
    if (path.dirname(folder) === folder) return found;
  }
}

/** Returns `undefined` for a dangling link. */
function realFolder(folder: string): string | undefined {
  try {
    return fs.realpathSync.native(folder);
  } catch {
    return undefined;
  }
}

/**
 * Finds the tasks of installed packages, also in the `node_modules` of linked packages (a workspace, `npm link`). Each
 * `package.json` is read once; nothing is cached on disk.
 * @param start folders from which to search upwards
 */
export function packagePlugins(start: readonly string[], what: Definitions): Declared {
  const candidates: Declared['candidates'][number][] = [];
  const broken: Declared['broken'][number][] = [];
  const seen = new Set<string>();
  const names = new Set<string>();
  const queue = start.flatMap(modulesAbove);
  for (let modules = queue.shift(); modules !== undefined; modules = queue.shift()) {
    const real = realFolder(modules);
    if (real === undefined || seen.has(real)) continue;
    seen.add(real);
    for (const { folder, linked } of packageFolders(real)) {
      const home = linked ? realFolder(folder) : folder;
      if (home === undefined || seen.has(home)) continue;
      seen.add(home);
      if (linked) queue.push(path.join(home, 'node_modules'));
      const declared = declaredModules(home, 'package', { what });
      // If two installed packages have the same name, the nearer one counts, as for imports.
      const owners = new Set([...declared.candidates, ...declared.broken].map(({ package: name }) => name));
      if ([...owners].some((name) => names.has(name))) continue;
      for (const name of owners) names.add(name);
      candidates.push(...declared.candidates.map(asBuiltin));
      broken.push(...declared.broken.map(asBuiltin));
    }
  }
  return { candidates, broken };
}

const asBuiltin = <T extends Declared['broken'][number] | Declared['candidates'][number]>(plugin: T): T =>
  plugin.package === BUILTIN_PACKAGE ? { ...plugin, source: 'builtin' } : plugin;
