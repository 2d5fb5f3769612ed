/**
 * Reads what a package declares: `"clServer": { "tasks": { "my_task": "./dist/my-task.js" } }`, and `insights` in the same way.
 */
import fs from 'node:fs';
import path from 'node:path';
import { z } from 'zod';
import type { BrokenCandidate, PluginCandidate, PluginSource } from './plugin.js';

/** Modules by the names of what they define. */
const modules = z.record(z.string(), z.string());

const manifest = z.object({
  name: z.string().min(1).optional(),
  version: z.string().min(1).default('0.0.0'),
  clServer: z
    .object({ tasks: modules.optional(), insights: modules.optional() })
    .refine(({ tasks, insights }) => tasks !== undefined || insights !== undefined),
});

/** The parts that a plugin can define. */
export type Definitions = 'tasks' | 'insights';

export interface Declared {
  readonly candidates: readonly PluginCandidate[];
  readonly broken: readonly BrokenCandidate[];
}

export const nothingDeclared: Declared = { candidates: [], broken: [] };

/** The bytes of `package.json`: hardly any of hundreds of packages needs decoding. */
function readManifest(folder: string): Buffer | undefined {
  try {
    return fs.readFileSync(`${folder}${path.sep}package.json`);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw error;
  }
}

/** Whether `file` is in `folder` after links are resolved. */
const within = (folder: string, file: string): boolean =>
  fs.realpathSync.native(file).startsWith(`${fs.realpathSync.native(folder)}${path.sep}`);

function moduleFault(folder: string, relative: string, what: Definitions): string | undefined {
  const file = path.resolve(folder, relative);
  try {
    if (!fs.statSync(file).isFile()) return `${relative} is not a file`;
    if (!within(folder, file)) return `${relative} is outside of the package`;
  } catch {
    return `${relative} does not exist: build the package, or correct clServer.${what} in its package.json`;
  }
  return undefined;
}

/**
 * Reads the declaration of a package folder; a package that does not mention tasks or insights declares none.
 * @param mustDeclare whether a missing declaration is a fault (a folder under `plugins`)
 */
export function declaredModules(
  folder: string,
  source: PluginSource,
  { what, mustDeclare = false }: { readonly what: Definitions; readonly mustDeclare?: boolean },
): Declared {
  const fault = (reason: string, name = path.basename(folder), version = '0.0.0'): Declared => ({
    candidates: [],
    broken: [{ task: '', package: name, version, source, reason }],
  });
  let bytes: Buffer | undefined;
  try {
    bytes = readManifest(folder);
  } catch (error) {
    return mustDeclare
      ? fault(`package.json cannot be read (${(error as NodeJS.ErrnoException).code})`)
      : nothingDeclared;
  }
  // Hundreds of packages are read: only those that mention our key need parsing.
  if (!bytes?.includes('"clServer"'))
    return mustDeclare ? fault('its package.json has no "clServer": { "tasks": { … } }') : nothingDeclared;
  let json: unknown;
  try {
    json = JSON.parse(bytes.toString('utf8'));
  } catch {
    return fault('package.json is not valid JSON');
  }
  const parsed = manifest.safeParse(json);
  if (!parsed.success) {
    const { name } = json as { name?: unknown };
    return fault(
      '"clServer" in package.json must be { "tasks": { "<task>": "<module>" } }',
      typeof name === 'string' && name !== '' ? name : undefined,
    );
  }
  const { name = path.basename(folder), version, clServer } = parsed.data;
  const candidates: PluginCandidate[] = [];
  const broken: BrokenCandidate[] = [];
  for (const [task, relative] of Object.entries(clServer[what] ?? {})) {
    const common = { task, package: name, version, source };
    const reason = moduleFault(folder, relative, what);
    if (reason === undefined) candidates.push({ ...common, file: path.resolve(folder, relative) });
    else broken.push({ ...common, reason });
  }
  return { candidates, broken };
}
