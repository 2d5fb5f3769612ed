// npm packages: whether node_modules is what package-lock.json says, and `npm ci` if not.
import fs from 'node:fs';
import path from 'node:path';
import { explainNpm, npm, npmEnvironment } from './npm.js';
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
 * Puts this project's program in place of vitest's own in `node_modules/.bin`.
 * @param {string} root
 */
export function linkVitest(root) {
  const link = path.join(root, 'node_modules/.bin/vitest');
  const target = '../../scripts/vitest.js';
  const entry = fs.lstatSync(link, { throwIfNoEntry: false });
  if (!entry || (entry.isSymbolicLink() && fs.readlinkSync(link) === target)) return;
  fs.symlinkSync(target, `${link}.new`);
  fs.renameSync(`${link}.new`, link);
}
