// Runs npm: the one that started this program, otherwise the one in PATH.
import os from 'node:os';
import path from 'node:path';
import { canWrite } from './folders.js';
import { run } from './run.js';

const projectCache = new URL('../../.cache/npm', import.meta.url);

/**
 * Environment for npm: onnxruntime-node downloads no GPU libraries, and the cache is in the project if the user's home folder is not
 * writable.
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
  const own = script && path.basename(script) === 'npm-cli.js'; // another package manager may name itself there too
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

/** Summarises npm's output in one line. */
export function explainNpm(output) {
  const known = CAUSES.find(([pattern]) => pattern.test(output));
  if (known) return known[1];
  const last = output
    .split('\n')
    .filter((line) => /^npm (error|ERR!)/.test(line) && !/complete log|^npm (error|ERR!)\s*$/.test(line))
    .map((line) => line.replace(/^npm (error|ERR!)\s*/, ''));
  return last.slice(0, 3).join('; ') || output.trim().split('\n').at(-1) || 'no reason given';
}
