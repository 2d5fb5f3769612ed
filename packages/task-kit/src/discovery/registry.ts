/** All tasks of this installation: those that were loaded, and those that are disabled, with the reasons. */
import path from 'node:path';
import type { AnyTask } from '../define.js';
import { folderPlugins } from './folder.js';
import { loadDefinition } from './load.js';
import { packagePlugins } from './packages.js';
import type { BrokenCandidate, DisabledPlugin, LoadedPlugin, Plugin, PluginCandidate, PluginSource } from './plugin.js';

export interface DiscoveryOptions {
  /** `$CL_SERVER_DIR/plugins`; undefined if there is no data folder. */
  readonly pluginsDir?: string | undefined;
  /**
   * Folders from which installed packages are searched upwards. Default: the folder in which this package is installed.
   */
  readonly searchFrom?: readonly string[];
}

const RANK: Readonly<Record<PluginSource, number>> = { builtin: 0, package: 1, folder: 2 };

const compare = (a: string, b: string): number => (a < b ? -1 : Number(a > b));

/**
 * Built-in tasks first, then by name: if two plugins have the same task name, the choice must not depend on the file
 * system.
 */
const byPrecedence = (a: PluginCandidate, b: PluginCandidate): number =>
  Number(a.source !== 'builtin') - Number(b.source !== 'builtin') ||
  compare(a.package, b.package) ||
  RANK[a.source] - RANK[b.source];

export class TaskRegistry {
  readonly #loaded: ReadonlyMap<string, LoadedPlugin>;

  constructor(
    /** All plugins that were found, in the order of task names. */
    readonly plugins: readonly Plugin[],
  ) {
    this.#loaded = new Map(
      plugins.filter((plugin) => plugin.state === 'loaded').map((plugin) => [plugin.task, plugin]),
    );
  }

  get(task: string): AnyTask | undefined {
    return this.#loaded.get(task)?.definition;
  }

  plugin(task: string): LoadedPlugin | undefined {
    return this.#loaded.get(task);
  }

  /** Names of all loaded tasks, sorted. */
  get tasks(): readonly string[] {
    return [...this.#loaded.keys()].sort();
  }

  get definitions(): readonly AnyTask[] {
    return this.tasks.flatMap((task) => this.get(task) ?? []);
  }

  /** Disabled plugins, for the log and for the command `plugins`. */
  get disabled(): readonly DisabledPlugin[] {
    return this.plugins.filter((plugin) => plugin.state !== 'loaded');
  }
}

async function load(candidate: PluginCandidate): Promise<Plugin> {
  const { file, ...rest } = candidate;
  try {
    const definition = await loadDefinition(file);
    if (definition.type !== candidate.task)
      throw new Error(`it is declared as "${candidate.task}" but defines "${definition.type}"`);
    return { ...candidate, version: candidate.version || definition.version, state: 'loaded', definition };
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return { ...rest, state: 'failed', reason: message.split('\n')[0] ?? message };
  }
}

const failed = (broken: BrokenCandidate): DisabledPlugin => ({ ...broken, state: 'failed' });

/**
 * Finds and loads the definitions of all tasks of installed packages and of the plugin folder. A faulty plugin disables
 * only itself.
 */
export async function discoverTasks(options: DiscoveryOptions = {}): Promise<TaskRegistry> {
  const { pluginsDir, searchFrom = [import.meta.dirname] } = options;
  const installed = packagePlugins(searchFrom, 'tasks');
  const dropped = pluginsDir === undefined ? { candidates: [], broken: [] } : folderPlugins(pluginsDir, 'tasks');
  const owners = new Map<string, LoadedPlugin>();
  const plugins: Plugin[] = [...installed.broken, ...dropped.broken].map(failed);
  for (const candidate of [...installed.candidates, ...dropped.candidates].sort(byPrecedence)) {
    const owner = owners.get(candidate.task);
    if (owner) {
      const { file: _, ...rest } = candidate;
      plugins.push({
        ...rest,
        state: 'shadowed',
        reason: `the task with this name from ${owner.package} takes precedence`,
      });
      continue;
    }
    const plugin = await load(candidate);
    if (plugin.state === 'loaded') owners.set(plugin.task, plugin);
    plugins.push(plugin);
  }
  return new TaskRegistry(plugins.sort((a, b) => compare(a.task, b.task) || compare(a.package, b.package)));
}

/** Folders whose files belong to plugins: the plugin folder, and those of the modules that installed packages declare. */
export function pluginFolders({ pluginsDir, searchFrom = [import.meta.dirname] }: DiscoveryOptions): readonly string[] {
  const installed = packagePlugins(searchFrom, 'tasks').candidates.filter(({ source }) => source !== 'builtin');
  const modules = installed.map(({ file }) => path.dirname(file));
  return [...new Set([...(pluginsDir === undefined ? [] : [pluginsDir]), ...modules])];
}
