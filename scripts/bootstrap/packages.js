// The npm packages: compares node_modules with package-lock.json and decides what npm has to do.
//
// There are two sets: `run` has what building and running the programs needs; `all` also has what tests, checks and benchmarks
// need, and takes three times as long. A first start installs `run`, the first test adds the rest.
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

const marker = (root) => path.join(root, 'node_modules/.cl-installing');
const installedPackages = (root) => readJson(path.join(root, 'node_modules/.package-lock.json'))?.packages;

/** npm marks packages for development as `dev`; `devOptional` ones may be missing from a machine in either set. */
const belongs = (entry, set) => set === 'all' || !(entry.dev || entry.devOptional);

/**
 * Decides what npm has to do, and why; undefined if nothing is to be done. npm writes `node_modules/.package-lock.json` at the end
 * of each successful installation, so a comparison with the lock file also finds an outdated installation; an interrupted one has
 * left a marker.
 *
 * If packages are only missing, they are added, and nothing that may be in use is touched. Otherwise npm starts with an empty folder.
 * A folder that has had packages for tests keeps them.
 * @param {string} root the project's folder
 * @param {'run' | 'all'} asked
 * @returns {{ why: string, how: 'add' | 'clean', set: 'run' | 'all' } | undefined}
 */
export function whatToInstall(root, asked) {
  const wanted = readJson(path.join(root, 'package-lock.json'))?.packages;
  if (!wanted) throw new Fault('package-lock.json is missing or broken: restore it (git checkout package-lock.json)');
  const installed = installedPackages(root);
  if (!installed) return { why: 'packages are not installed', how: 'clean', set: asked };
  const set = Object.values(installed).some((entry) => entry.dev) ? 'all' : asked;
  const clean = (why) => ({ why, how: 'clean', set });
  if (fs.existsSync(marker(root))) return clean('the last installation was broken off');
  let missing;
  for (const [place, entry] of Object.entries(wanted)) {
    if (!place.includes('node_modules/')) continue;
    const found = installed[place];
    const name = place.replace(/^.*node_modules\//, '');
    if (found && (found.version !== entry.version || found.integrity !== entry.integrity))
      return clean(`${name} is of another version`);
    if (!found && !entry.optional && belongs(entry, set)) missing ??= name; // an optional package may be for another machine
  }
  return missing && { why: `${missing} is not installed`, how: 'add', set };
}

const COMMANDS = { clean: ['ci'], add: ['install', '--no-save'] };

/**
 * @param {string} root
 * @param {'run' | 'all'} wanted
 */
export async function installPackages(root, wanted, env = process.env) {
  const installation = whatToInstall(root, wanted);
  if (!installation) return;
  const { why, how, set } = installation;
  const what = set === 'all' ? 'npm packages' : 'npm packages that the programs need';
  await withProgress(`Installing ${what} (${why})`, async () => {
    if (how === 'add') fs.writeFileSync(marker(root), '');
    const args = [...COMMANDS[how], set === 'all' ? '--include=dev' : '--omit=dev', '--no-progress', '--loglevel=warn'];
    const { code, output } = await npm(args, { cwd: root, env: npmEnvironment(env) });
    if (code !== 0) throw new Fault(`npm ${COMMANDS[how][0]} failed: ${explainNpm(output)}`);
    fs.rmSync(marker(root), { force: true });
  });
}

/**
 * Replaces vitest's own program in `node_modules/.bin` by this project's program.
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
