/**
 * Watches the files of plugins (`--watch-plugins`). It compares names, sizes and times twice a second, because a watch of the
 * system misses links and network folders, and a plugin has few files.
 */
import fs from 'node:fs';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { Logger } from '@cl-server/service-kit/program';

export interface PluginWatchOptions {
  readonly folders: readonly string[];
  /** Loads all plugins again. */
  readonly reload: () => Promise<void>;
  readonly logger: Logger;
  readonly stop: AbortSignal;
  readonly intervalMs?: number;
}

/** A plugin folder with more files than this is not watched in full. */
const MAX_FILES = 5_000;

/** Adds one line for each file below a folder. Installed packages and hidden files are left out. */
function addFiles(folder: string, lines: string[]): void {
  let entries: string[];
  try {
    entries = fs.readdirSync(folder);
  } catch {
    return; // it was removed meanwhile
  }
  for (const name of entries) {
    if (lines.length >= MAX_FILES) return;
    if (name === 'node_modules' || name.startsWith('.')) continue;
    const file = `${folder}${path.sep}${name}`;
    const stat = fs.lstatSync(file, { throwIfNoEntry: false });
    if (stat?.isDirectory()) addFiles(file, lines);
    else if (stat) lines.push(`${file} ${stat.size} ${stat.mtimeMs}`);
  }
}

function filesOf(folders: readonly string[]): string {
  const lines: string[] = [];
  for (const folder of folders) addFiles(folder, lines);
  return lines.sort().join('\n');
}

/** Reloads after each change, as soon as the files have stayed the same for one interval. Ends with `stop`. */
export async function watchPlugins({
  folders,
  reload,
  logger,
  stop,
  intervalMs = 500,
}: PluginWatchOptions): Promise<void> {
  let loaded = filesOf(folders);
  let seen = loaded;
  for (;;) {
    try {
      await pause(intervalMs, undefined, { signal: stop, ref: false });
    } catch {
      return; // stopped
    }
    const now = filesOf(folders);
    const isStill = now === seen;
    seen = now;
    if (!isStill || now === loaded) continue;
    loaded = now;
    const began = performance.now();
    logger.info('plugin files have changed; they are loaded again');
    await reload();
    if (!stop.aborted) logger.info(`plugins loaded again in ${((performance.now() - began) / 1000).toFixed(1)} s`);
  }
}
