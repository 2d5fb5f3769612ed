// Runs npm: the one that started this program, else the one in PATH.
import os from 'node:os';
import path from 'node:path';
import { canWrite } from './folders.js';
import { run } from './run.js';

const projectCache = new URL('../../.cache/npm', import.meta.url);

/**
 * Environment for npm: no download of GPU libraries by onnxruntime-node, and a cache in the project where the user's
 * home cannot be written.
 * @param {NodeJS.ProcessEnv} env
 */
export function npmEnvironment(env) {
  const cache = env.npm_config_cache ?? path.join(env.HOME || os.homedir(), '.npm');
  return {
    ...env,
    ONNXRUNTIME_NODE_INSTALL: 'skip',
    ...(!canWrite(cache) && { npm_config_cache: projectCache.pathname }),
  };
}

/**
 * @param {readonly string[]} args
 * @param {import('node:child_process').SpawnOptions} options
 */
export function npm(args, options) {
  const script = process.env.npm_execpath;
  const own = script && path.basename(script) === 'npm-cli.js'; // another package manager names itself there, too
  const running = own ? run(process.execPath, [script, ...args], options) : run('npm', args, options);
  return running.catch((error) => ({
    code: 1,
    output: error.code === 'ENOENT' ? 'npm is not installed' : error.message,
  }));
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
