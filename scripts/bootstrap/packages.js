// npm packages: whether node_modules is what package-lock.json says, and `npm ci` if not.
import fs from 'node:fs';
import path from 'node:path';
import { run } from './run.js';
import { Fault, withProgress } from './say.js';

const readJson = (file) => {
  try {
    return JSON.parse(fs.readFileSync(file, 'utf8'));
  } catch {
    return undefined;
  }
};

/**
 * Why the packages must be installed, or undefined. npm writes `node_modules/.package-lock.json` at the end of each
 * install that succeeds: comparing it with the lock file also finds one that was broken off, and one of an older lock.
 * @param {string} root the project's folder
 * @returns {string | undefined}
 */
export function whyInstall(root) {
  const wanted = readJson(path.join(root, 'package-lock.json'))?.packages;
  if (!wanted) throw new Fault('package-lock.json is missing or broken: restore it (git checkout package-lock.json)');
  const installed = readJson(path.join(root, 'node_modules/.package-lock.json'))?.packages;
  if (!installed) return 'packages are not installed';
  for (const [place, entry] of Object.entries(wanted)) {
    if (!place.includes('node_modules/')) continue;
    const found = installed[place];
    if (!found && entry.optional) continue; // for another kind of machine
    if (!found) return `${place.replace(/^.*node_modules\//, '')} is not installed`;
    if (found.version !== entry.version || found.integrity !== entry.integrity)
      return `${place.replace(/^.*node_modules\//, '')} is of another version`;
  }
  return undefined;
}

/**
 * Environment for npm: headers of this very Node where they lie beside it, so that native code builds without a
 * download; and no download of GPU libraries by onnxruntime-node.
 * @param {NodeJS.ProcessEnv} env
 * @param {string} execPath
 */
export function npmEnvironment(env, execPath = process.execPath) {
  const prefix = path.dirname(path.dirname(fs.realpathSync(execPath)));
  const headers = fs.existsSync(path.join(prefix, 'include/node/node.h'));
  return {
    ...env,
    ONNXRUNTIME_NODE_INSTALL: 'skip',
    ...(headers && !env.npm_config_nodedir && { npm_config_nodedir: prefix }),
  };
}

const CAUSES = [
  [
    /ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|ERR_SOCKET_TIMEOUT|network request to/,
    'the package registry cannot be reached: check the network (or npm’s proxy and registry settings) and try again',
  ],
  [
    /EUSAGE|can only install packages when your package/,
    'package-lock.json does not fit package.json: run "npm install"',
  ],
  [/EBADENGINE/, 'a package does not run on this version of Node: use one that package.json’s "engines" allows'],
  [/EACCES|EPERM/, 'files in node_modules belong to another user: change their owner, or remove node_modules'],
  [/ENOSPC/, 'the disk is full'],
  [
    /gyp ERR!|not found: make|no such file.*(g\+\+|cc1plus)/,
    'native code could not be compiled: install a C++ compiler, make and python3 ("sudo apt-get install build-essential python3")',
  ],
];

/** One line for what npm said on many. */
export function explainNpm(output) {
  const known = CAUSES.find(([pattern]) => pattern.test(output));
  if (known) return known[1];
  const last = output
    .split('\n')
    .filter((line) => /^npm (error|ERR!)/.test(line) && !/complete log|^npm (error|ERR!)\s*$/.test(line))
    .map((line) => line.replace(/^npm (error|ERR!)\s*/, ''));
  return last.slice(0, 3).join('; ') || output.trim().split('\n').at(-1) || 'no reason given';
}

const npm = (args, options) => {
  const script = process.env.npm_execpath;
  return script?.endsWith('.js') ? run(process.execPath, [script, ...args], options) : run('npm', args, options);
};

/** @param {string} root */
export async function installPackages(root, env = process.env) {
  const why = whyInstall(root);
  if (!why) return;
  await withProgress(`Installing npm packages (${why}; a few minutes the first time)`, async () => {
    const { code, output } = await npm(['ci', '--no-progress', '--loglevel=warn'], {
      cwd: root,
      env: npmEnvironment(env),
    });
    if (code !== 0) throw new Fault(`npm ci failed: ${explainNpm(output)}`);
  });
}

/**
 * Native code is built for one generation of Node; after an upgrade it is built again.
 * @param {string} root
 */
export async function rebuildForThisNode(root, env = process.env) {
  const stamp = path.join(root, 'node_modules/.cl-node-abi');
  const abi = `${process.platform}-${process.arch}-${process.versions.modules}`;
  const before = fs.existsSync(stamp) ? fs.readFileSync(stamp, 'utf8') : abi;
  if (before !== abi)
    await withProgress(`Building native packages for Node ${process.versions.node}`, async () => {
      const { code, output } = await npm(['rebuild', '--no-progress'], { cwd: root, env: npmEnvironment(env) });
      if (code !== 0) throw new Fault(`npm rebuild failed: ${explainNpm(output)}`);
    });
  if (before !== abi || !fs.existsSync(stamp)) fs.writeFileSync(stamp, abi);
}
