/**
 * Finds the modules that plugins declare for insights. `@cl-server/insight` loads them and knows what an insight is.
 */
import path from 'node:path';
import { folderPlugins } from './folder.js';
import { packagePlugins } from './packages.js';
import type { BrokenCandidate, PluginCandidate } from './plugin.js';
import type { DiscoveryOptions } from './registry.js';

/** The name in `task` is that of the insight; it is of no use for a single file of the plugin folder, which has no manifest. */
export interface DeclaredInsights {
  readonly packages: readonly PluginCandidate[];
  /** Single files of the plugin folder: each may export an insight. */
  readonly files: readonly PluginCandidate[];
  readonly broken: readonly BrokenCandidate[];
}

export function findInsights({
  pluginsDir,
  searchFrom = [import.meta.dirname],
}: DiscoveryOptions = {}): DeclaredInsights {
  const installed = packagePlugins(searchFrom, 'insights');
  const dropped =
    pluginsDir === undefined ? { candidates: [], broken: [] } : folderPlugins(path.resolve(pluginsDir), 'insights');
  const isFile = ({ file }: PluginCandidate): boolean =>
    pluginsDir !== undefined && path.dirname(file) === path.resolve(pluginsDir);
  return {
    packages: [...installed.candidates, ...dropped.candidates.filter((candidate) => !isFile(candidate))],
    files: dropped.candidates.filter(isFile),
    broken: [...installed.broken, ...dropped.broken],
  };
}
