// The system's programs that the platform runs: found, or installed if that needs no question.
import fs from 'node:fs';
import path from 'node:path';
import { run } from './run.js';
import { Fault, withProgress } from './say.js';

const TOOLS = [
  { name: 'ffmpeg', variable: 'FFMPEG_PATH', debian: 'ffmpeg' },
  { name: 'ffprobe', variable: 'FFPROBE_PATH', debian: 'ffmpeg' },
  { name: 'perl', variable: undefined, debian: 'perl' },
];

const isProgram = (file) => {
  try {
    fs.accessSync(file, fs.constants.X_OK);
    return true;
  } catch {
    return false;
  }
};

/** @param {string} name @param {NodeJS.ProcessEnv} env */
export const inPath = (name, env) =>
  (env.PATH ?? '')
    .split(path.delimiter)
    .filter(Boolean)
    .some((folder) => isProgram(path.join(folder, name)));

/** Tools that are neither in PATH nor set by their variable; the server checks a variable that is set. */
export const missingTools = (env) =>
  TOOLS.filter(({ name, variable }) => !(variable && env[variable]) && !inPath(name, env));

/** Whether system packages can be installed without asking: as root on Debian or Ubuntu. */
const canInstall = (env) => process.getuid?.() === 0 && inPath('apt-get', env);

/**
 * Returns the Debian packages of missing tools if they can be installed; otherwise a fault says how to install them.
 * @param {NodeJS.ProcessEnv} env
 * @returns {string[]}
 */
export function toolsToInstall(env) {
  const missing = missingTools(env);
  if (missing.length === 0) return [];
  const names = missing.map(({ name }) => name).join(', ');
  const packages = [...new Set(missing.map(({ debian }) => debian))];
  if (canInstall(env)) return packages;
  throw new Fault(
    `${names} not found: install ${missing.length > 1 ? 'them' : 'it'} ("${byHand(packages)}") and try again`,
  );
}

const byHand = (packages) => `sudo apt-get install ${packages.join(' ')}`;

/** @param {readonly string[]} packages @param {NodeJS.ProcessEnv} env */
export async function installTools(packages, env) {
  if (packages.length === 0) return;
  await withProgress(`Installing ${packages.join(', ')} with apt-get`, async () => {
    const options = { env: { ...env, DEBIAN_FRONTEND: 'noninteractive' } };
    await run('apt-get', ['update', '-q'], options); // a failure shows in the next step
    const { code, output } = await run(
      'apt-get',
      ['install', '-y', '-q', '--no-install-recommends', ...packages],
      options,
    );
    if (code !== 0) throw new Fault(`apt-get failed (${output.trim().split('\n').at(-1)}): ${byHand(packages)}`);
  });
}
