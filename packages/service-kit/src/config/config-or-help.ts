import { type LoadedConfig, type LoadOptions, loadConfig } from './load.js';
import type { Settings } from './setting.js';

/**
 * Reads a program's settings, or prints its help where that was asked for.
 * @returns undefined where help was printed: there is nothing else to do
 * @throws StartupError naming every fault, exit code 2
 */
export function configOrHelp<const S extends Settings>(options: LoadOptions<S>): LoadedConfig<S> | undefined {
  const config = loadConfig(options);
  if (!config.helpWanted) return config;
  process.stdout.write(config.help);
  return undefined;
}
