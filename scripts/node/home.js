// The folder of a downloaded Node: the user's cache folder, which all copies of the project share, otherwise the project.
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { canWrite } from '../bootstrap/folders.js';
import { npmEnvironment } from '../bootstrap/npm.js';
import { Fault, say } from '../bootstrap/say.js';
import { fetchNode } from './fetch.js';

export const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');

/** @returns {{ recommended: string, others: string[] }} the pinned versions; the others are tested only */
export function pinnedVersions() {
  const { node, nodes } = readPinned();
  return { recommended: node, others: Object.keys(nodes).filter((version) => version !== node) };
}

/** Leftovers of an interrupted download are removed at this age, because a younger one may still be running. */
const STALE_MS = 60 * 60_000;

const readPinned = () => JSON.parse(fs.readFileSync(new URL('./pinned.json', import.meta.url), 'utf8'));

const cacheOf = (home) => path.join(home, '.cache');

/**
 * A Node may be in any of these places; a downloaded one goes to the first of `own` that is writable. An environment may set another
 * home folder for one program only, which then still finds the Node in the user's real one.
 * @param {NodeJS.ProcessEnv} env
 */
function places(env) {
  const named = env.XDG_CACHE_HOME && path.isAbsolute(env.XDG_CACHE_HOME) ? env.XDG_CACHE_HOME : undefined;
  const inCache = (cache) => path.join(cache, 'cl-server');
  const own = [inCache(named ?? cacheOf(os.homedir())), path.join(root, '.cache')];
  const others = [os.homedir(), userHome()].filter(Boolean).map((home) => inCache(cacheOf(home)));
  return { own, all: [...own, ...others] };
}

function userHome() {
  try {
    return os.userInfo().homedir;
  } catch {
    return undefined; // containers run as users without a name
  }
}

const isMusl = () => process.report.getReport().header.glibcVersionRuntime === undefined;

function removeStale(folder) {
  for (const name of fs.readdirSync(folder)) {
    const file = path.join(folder, name);
    if (!name.includes('.part-') || Date.now() - fs.statSync(file).mtimeMs < STALE_MS) continue;
    fs.rmSync(file, { recursive: true, force: true });
  }
}

const REASONS = {
  ENOSPC: 'the disk is full',
  EDQUOT: 'the disk quota is used up',
  EACCES: 'its folder cannot be written',
  EROFS: 'its folder cannot be written',
};

async function fetchInto(folder, name, pinned, { why, env }) {
  const home = path.join(folder, name);
  removeStale(folder);
  say(`cl-server: ${why}: fetching Node ${pinned.version} into ${folder} (60 MB)`);
  await fetchNode(home, pinned, { root, env: npmEnvironment(env) });
  return home;
}

/**
 * Returns the folder of a pinned Node, and downloads it if needed. It contains `bin/node`, `bin/npm` and `bin/npx`.
 * @param {string} version one of those in pinned.json
 * @param {string} why it is needed; shown if it has to be downloaded
 * @param {NodeJS.ProcessEnv} [env]
 * @returns {Promise<string>}
 */
export async function nodeHome(version, why, env = process.env) {
  const pinned = readPinned();
  const platform = `${process.platform}-${process.arch}`;
  const name = `node-${version}-npm-${pinned.npm.version}-${platform}`;
  const { own, all } = places(env);
  const there = all.find((folder) => fs.existsSync(path.join(folder, name, 'bin/node')));
  if (there) return path.join(there, name);
  try {
    const integrity = pinned.nodes[version]?.[platform];
    if (!integrity) throw new Fault(`there is none to fetch for ${platform}`);
    if (isMusl()) throw new Fault('there is none to fetch for a Linux without glibc');
    const folder = own.find(canWrite);
    if (!folder) throw new Fault(`neither ${own.join(' nor ')} can be written`);
    return await fetchInto(folder, name, { platform, version, integrity, npm: pinned.npm }, { why, env });
  } catch (error) {
    const reason = error instanceof Fault ? error.message : (REASONS[error.code] ?? error.message);
    throw new Fault(`${why}: install Node ${version.split('.')[0]}, which could not be fetched here (${reason})`);
  }
}

/**
 * The environment for a downloaded Node: programs that are started there find that Node and its npm. Variables of an older npm about
 * itself and its Node are removed; its settings stay.
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
