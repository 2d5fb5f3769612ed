// Where a fetched Node lies: in the user's cache folder, which all copies of the project share, else in the project.
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { canWrite } from '../bootstrap/folders.js';
import { npmEnvironment } from '../bootstrap/npm.js';
import { Fault, say } from '../bootstrap/say.js';
import { fetchNode } from './fetch.js';

export const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');

/** Leftovers of a download that was broken off are this old before they are removed: one may be under way. */
const STALE = 60 * 60_000;

const NEEDED = '22.14';

const readPinned = () => JSON.parse(fs.readFileSync(new URL('./pinned.json', import.meta.url), 'utf8'));

/** @param {NodeJS.ProcessEnv} env */
function folders(env) {
  const own = env.XDG_CACHE_HOME && path.isAbsolute(env.XDG_CACHE_HOME) ? env.XDG_CACHE_HOME : undefined;
  const home = env.HOME || os.homedir();
  return [path.join(own ?? path.join(home, '.cache'), 'cl-server'), path.join(root, '.cache')];
}

const isMusl = () => process.report.getReport().header.glibcVersionRuntime === undefined;

function removeStale(folder) {
  for (const name of fs.readdirSync(folder)) {
    const file = path.join(folder, name);
    if (!name.includes('.part-') || Date.now() - fs.statSync(file).mtimeMs < STALE) continue;
    fs.rmSync(file, { recursive: true, force: true });
  }
}

const REASONS = {
  ENOSPC: 'the disk is full',
  EDQUOT: 'the disk quota is used up',
  EACCES: 'its folder cannot be written',
  EROFS: 'its folder cannot be written',
};

async function fetchInto(folder, name, pinned, env) {
  const home = path.join(folder, name);
  removeStale(folder);
  say(
    `cl-server: this is Node ${process.versions.node}, and ${NEEDED} or newer is needed: ` +
      `fetching Node ${pinned.version} into ${folder} (60 MB)`,
  );
  await fetchNode(home, pinned, { root, env: npmEnvironment(env) });
  return home;
}

/**
 * The folder of a pinned Node, fetched if it is not there yet. It has `bin/node`, `bin/npm` and `bin/npx`.
 * @param {string} [wanted] its version; the recommended one unless told
 * @param {NodeJS.ProcessEnv} [env]
 * @returns {Promise<string>}
 */
export async function nodeHome(wanted, env = process.env) {
  const all = readPinned();
  const version = wanted ?? all.node;
  const platform = `${process.platform}-${process.arch}`;
  const name = `node-${version}-npm-${all.npm.version}-${platform}`;
  const places = folders(env);
  const there = places.find((folder) => fs.existsSync(path.join(folder, name, 'bin/node')));
  if (there) return path.join(there, name);
  try {
    const integrity = all.nodes[version]?.[platform];
    if (!integrity) throw new Fault(`there is none to fetch for ${platform}`);
    if (isMusl()) throw new Fault('there is none to fetch for a Linux without glibc');
    const folder = places.find(canWrite);
    if (!folder) throw new Fault(`neither ${places.join(' nor ')} can be written`);
    return await fetchInto(folder, name, { platform, version, integrity, npm: all.npm }, env);
  } catch (error) {
    const reason = error instanceof Fault ? error.message : (REASONS[error.code] ?? error.message);
    throw new Fault(
      `Node ${NEEDED} or newer is needed, and this is ${process.versions.node}: install Node ${version.split('.')[0]} ` +
        `with your system's or a version manager; it could not be fetched (${reason})`,
    );
  }
}

/**
 * The environment under a fetched Node: whatever is started there finds that Node and its npm. What an older npm says of
 * itself and of its Node is taken out; its settings stay.
 * @param {string} home
 * @param {NodeJS.ProcessEnv} [env]
 */
export function nodeEnvironment(home, env = process.env) {
  const changed = { ...env, PATH: [path.join(home, 'bin'), env.PATH].filter(Boolean).join(path.delimiter) };
  for (const name of [
    'NODE',
    'npm_node_execpath',
    'npm_execpath',
    'npm_config_user_agent',
    'npm_config_npm_version',
    'npm_config_node_gyp',
  ])
    delete changed[name];
  return changed;
}
