/** Descriptions of plugins that were found. */
import type { AnyTask } from '../define.js';

/** The kind of place in which a plugin was found. */
export type PluginSource = 'builtin' | 'package' | 'folder';

/** One declared task whose code has not been loaded yet. */
export interface PluginCandidate {
  readonly task: string;
  /** Name of the package, or of the file in the plugin folder. */
  readonly package: string;
  readonly version: string;
  readonly source: PluginSource;
  /**
   * Absolute path of the module whose default export is the definition. For logs on this machine, never for a client.
   */
  readonly file: string;
}

/** A declaration that does not name a loadable module. */
export interface BrokenCandidate extends Omit<PluginCandidate, 'file'> {
  readonly reason: string;
}

export interface LoadedPlugin extends PluginCandidate {
  readonly state: 'loaded';
  readonly definition: AnyTask;
}

/** A plugin that is disabled: it could not be loaded, or another one has its name. */
export interface DisabledPlugin extends Omit<PluginCandidate, 'file'> {
  readonly state: 'failed' | 'shadowed';
  /** One sentence that says what to correct. */
  readonly reason: string;
}

export type Plugin = LoadedPlugin | DisabledPlugin;
