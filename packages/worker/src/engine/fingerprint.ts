/**
 * One hash of everything that the ability to run tasks depends on: versions, settings, and path, size and time of each file that a
 * set-up reads. Contents are not read, for a model of 350 MB takes a second.
 */
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { LoadedPlugin } from '@cl-server/task-kit';
import { z } from 'zod';
import type { Confinement } from '../runners/confine.js';
import type { RunnerEnvironment } from '../runners/protocol.js';
import { RUNNER_PROGRAM } from '../runners/runner.js';

export interface FingerprintParts {
  readonly plugins: readonly Pick<LoadedPlugin, 'task' | 'version' | 'file'>[];
  readonly env: RunnerEnvironment;
  /** Environment variables of the worker. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly confinement: Confinement;
  /** The plugin folder. */
  readonly pluginsDir: string;
}

/** Variables that decide which programs and libraries a process finds. */
const VARIABLES = ['PATH', 'LD_LIBRARY_PATH', 'LD_PRELOAD', 'NODE_OPTIONS', 'NODE_PATH', 'HOME'] as const;
/** More files than that are not looked at: then there is no fingerprint. */
const MOST_FILES = 5_000;
/** Downloads in progress, and notes of the model store. */
const PASSING = /^\.|\.part(?:\.etag)?$/;
/** Names of `models.json`, which may choose files anywhere. */
const chosenFiles = z.object({
  roles: z.record(z.string(), z.object({ path: z.string(), tokenizer: z.string().optional() })),
});

class TooManyFiles extends Error {}

/** The lines that are hashed, one for each file. */
class Listing {
  readonly lines: string[] = [];

  /** A file that is absent counts as that. */
  file(file: string): void {
    if (this.lines.length >= MOST_FILES) throw new TooManyFiles();
    const stat = fs.statSync(file, { throwIfNoEntry: false });
    this.lines.push(stat ? `${file}\0${stat.size}\0${stat.mtimeMs}` : `${file}\0absent`);
  }

  /** Every file below a folder; of the packages that are installed in it only what npm wrote down. */
  folder(folder: string): void {
    let entries: fs.Dirent[];
    try {
      entries = fs.readdirSync(folder, { withFileTypes: true });
    } catch {
      this.lines.push(`${folder}\0absent`);
      return;
    }
    for (const { name } of entries.filter(({ name }) => name === 'node_modules' || !PASSING.test(name))) {
      const place = `${folder}${path.sep}${name}`;
      if (name === 'node_modules') this.file(`${place}${path.sep}.package-lock.json`);
      else if (fs.statSync(place, { throwIfNoEntry: false })?.isDirectory()) this.folder(place);
      else this.file(place);
    }
  }
}

/** The nearest folder at or above `start` that holds `name`. */
function folderWith(name: string, start: string): string | undefined {
  for (let folder = start; ; folder = path.dirname(folder)) {
    if (fs.existsSync(`${folder}${path.sep}${name}`)) return folder;
    if (folder === path.dirname(folder)) return undefined;
  }
}

/** Files outside of the models folder that were chosen for a role. */
function chosenModels(modelsDir: string): string[] {
  try {
    const { roles } = chosenFiles.parse(JSON.parse(fs.readFileSync(path.join(modelsDir, 'models.json'), 'utf8')));
    const files = Object.values(roles).flatMap(({ path: model, tokenizer }) => [model, tokenizer ?? []].flat());
    return files.filter((file) => path.isAbsolute(file));
  } catch {
    return []; // absent or damaged: the file itself is in the listing
  }
}

/** @returns undefined where there are too many files to look at */
export function fingerprintOf(parts: FingerprintParts): string | undefined {
  const { plugins, env, environment, confinement, pluginsDir } = parts;
  const listing = new Listing();
  try {
    for (const tool of Object.values(env.tools)) listing.file(tool);
    const installed = folderWith('node_modules/.package-lock.json', path.dirname(RUNNER_PROGRAM));
    if (installed !== undefined) listing.file(path.join(installed, 'node_modules/.package-lock.json'));
    const packages = plugins.map(({ file }) => folderWith('package.json', path.dirname(file)) ?? path.dirname(file));
    const folders = new Set([path.dirname(RUNNER_PROGRAM), ...packages, pluginsDir, env.modelsDir]);
    for (const folder of folders) listing.folder(folder);
    for (const file of chosenModels(env.modelsDir)) listing.file(file);
  } catch (error) {
    if (error instanceof TooManyFiles) return undefined;
    throw error;
  }
  const machine = [process.version, process.platform, process.arch, os.release(), process.getuid?.()];
  const variables = VARIABLES.map((name) => environment[name]);
  const tasks = plugins.map(({ task, version, file }) => [task, version, file]);
  const confined = confinement.command([], false);
  return createHash('sha256')
    .update(JSON.stringify([machine, variables, env, confined, tasks]))
    .update(listing.lines.sort().join('\n'))
    .digest('hex');
}
