/** Installed packages that declare tasks: every `node_modules` that an import from a folder could reach. */
import fs from 'node:fs';
import path from 'node:path';
import { type Declared, declaredTasks } from './manifest.js';

/** The package that holds the tasks of the platform itself. */
export const BUILTIN_PACKAGE = '@cl-server/tasks';

function entries(folder: string): fs.Dirent[] {
  try {
    return fs.readdirSync(folder, { withFileTypes: true });
  } catch {
    return []; // absent or unreadable: nothing installed there
  }
}

/** Package folders in one `node_modules`, scoped ones too. */
function packageFolders(modules: string): { readonly folder: string; readonly linked: boolean }[] {
  return entries(modules).flatMap((entry) => {
    if (entry.name.startsWith('.')) return [];
    // Put together by hand: to normalize each of many hundred paths takes longer than to read the files.
    const folder = `${modules}${path.sep}${entry.name}`;
    if (!entry.name.startsWith('@')) return [{ folder, linked: entry.isSymbolicLink() }];
    return entries(folder).map((scoped) => ({
      folder: `${folder}${path.sep}${scoped.name}`,
      linked: scoped.isSymbolicLink(),
    }));
  });
}

/** Every `node_modules` at or above `start`, the nearest first, as module resolution walks. */
function modulesAbove(start: string): string[] {
  const found: string[] = [];
  for (let folder = path.resolve(start); ; folder = path.dirname(folder)) {
    if (path.basename(folder) !== 'node_modules') found.push(path.join(folder, 'node_modules'));
    if (path.dirname(folder) === folder) return found;
  }
}

/** `undefined` for a link that leads nowhere. */
function realFolder(folder: string): string | undefined {
  try {
    return fs.realpathSync.native(folder);
  } catch {
    return undefined;
  }
}

/**
 * Tasks of installed packages. A linked package (a workspace, `npm link`) has its own `node_modules` looked through too.
 * One read of each `package.json`; nothing is kept on disk.
 * @param start folders from which to look upwards
 */
export function packagePlugins(start: readonly string[]): Declared {
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
      const declared = declaredTasks(home, 'package');
      // Of two installed packages of one name the nearer is meant, as it is where a module imports it.
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
