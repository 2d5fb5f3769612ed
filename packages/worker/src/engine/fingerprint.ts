/**
 * One hash of everything that the ability to run tasks depends on: versions, settings, and path, size and time of each file that a
 * set-up reads. Contents are not read, for a model of 350 MB takes a second.
 */
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { modelChoices } from '@cl-server/contract';
import { errorCode, isWithin, messageOf } from '@cl-server/kit';
import type { LoadedPlugin } from '@cl-server/task-kit';
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

class TooManyFiles extends Error {}

/** The result of a system call, or the code of its error, for example for a file that is absent or may not be read. */
function orCode<T>(call: () => T): T | string {
  try {
    return call();
  } catch (error) {
    return errorCode(error) ?? messageOf(error);
  }
}

/** The lines that are hashed, one for each file. */
class Listing {
  readonly lines: string[] = [];

  /** A file, or every file below a folder; of the packages that are installed in it only what npm wrote down. */
  add(place: string): void {
    const stat = orCode(() => fs.statSync(place));
    const names = typeof stat !== 'string' && stat.isDirectory() ? orCode(() => fs.readdirSync(place)) : undefined;
    if (typeof stat === 'string') this.#line(place, stat);
    else if (names === undefined) this.#line(place, `${stat.size}\0${stat.mtimeMs}`);
    else if (typeof names === 'string') this.#line(place, names);
    else
      for (const name of names)
        if (name === 'node_modules') this.add(`${place}${path.sep}node_modules${path.sep}.package-lock.json`);
        else if (!PASSING.test(name)) this.add(`${place}${path.sep}${name}`);
  }

  #line(place: string, facts: string): void {
    if (this.lines.length >= MOST_FILES) throw new TooManyFiles();
    this.lines.push(`${place}\0${facts}`);
  }
}

/** The nearest folder at or above `start` that holds `name`. */
function folderWith(name: string, start: string): string | undefined {
  for (let folder = start; ; folder = path.dirname(folder)) {
    if (fs.existsSync(`${folder}${path.sep}${name}`)) return folder;
    if (folder === path.dirname(folder)) return undefined;
  }
}

/** The folder of a plugin's package. A package around the whole plugin folder is no plugin's: it may hold all media. */
function packageOf(file: string, pluginsDir: string): string {
  const folder = folderWith('package.json', path.dirname(file));
  return folder === undefined || isWithin(folder, pluginsDir) ? path.dirname(file) : folder;
}

/** Files outside of the models folder that were chosen for a role. */
function chosenModels(modelsDir: string): string[] {
  try {
    const { roles } = modelChoices.parse(JSON.parse(fs.readFileSync(path.join(modelsDir, 'models.json'), 'utf8')));
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
    for (const tool of Object.values(env.tools)) if (tool !== undefined) listing.add(tool);
    const installed = folderWith('node_modules/.package-lock.json', path.dirname(RUNNER_PROGRAM));
    if (installed !== undefined) listing.add(path.join(installed, 'node_modules/.package-lock.json'));
    const packages = plugins.map(({ file }) => packageOf(file, pluginsDir));
    const folders = new Set([path.dirname(RUNNER_PROGRAM), ...packages, pluginsDir, env.modelsDir]);
    for (const folder of folders) listing.add(folder);
    for (const file of chosenModels(env.modelsDir)) listing.add(file);
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
