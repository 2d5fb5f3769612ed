// Downloads a pinned Node and npm as npm packages, so that the registry and the proxy of npm's configuration are used.
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { explainNpm, npm } from '../bootstrap/npm.js';
import { run } from '../bootstrap/run.js';
import { Fault } from '../bootstrap/say.js';
import { unpack } from './unpack.js';

/** Fails if the content of a file is not what the repository expects. */
async function verify(file, integrity, name) {
  const hash = createHash('sha512');
  await pipeline(fs.createReadStream(file), hash);
  if (`sha512-${hash.digest('base64')}` !== integrity)
    throw new Fault(`the registry gave another ${name} than the expected one (its checksum differs)`);
}

async function pack(specs, { root, folder, env }) {
  const { code, output } = await npm(['pack', ...specs, '--pack-destination', folder, '--loglevel=error'], {
    cwd: root, // the project's .npmrc may name a registry
    env,
  });
  if (code !== 0) throw new Fault(explainNpm(output));
}

const archive = (folder, name, version) => path.join(folder, `${name}-${version}.tgz`);

/** Links npm's settings of the administrator: the file is beside npm itself, and would be lost otherwise. */
async function linkGlobalSettings(home, options) {
  const { code, output } = await npm(['config', 'get', 'globalconfig', '--loglevel=silent'], options);
  const file = output.trim();
  if (code !== 0 || !path.isAbsolute(file)) return;
  fs.mkdirSync(path.join(home, 'etc'), { recursive: true });
  fs.symlinkSync(file, path.join(home, 'etc/npmrc'));
}

/**
 * Makes a folder like that of any Node installation: `bin/node`, `bin/npm`, `bin/npx`. It appears under its name only when it is
 * complete, so an interrupted one is never used, and two that are made at the same time do not conflict.
 * @param {string} home the folder to make
 * @param {{ platform: string, version: string, integrity: string, npm: { version: string, integrity: string } }} pinned
 * @param {{ root: string, env: NodeJS.ProcessEnv }} options
 */
export async function fetchNode(home, pinned, { root, env }) {
  const part = fs.mkdtempSync(`${home}.part-`);
  try {
    const name = `node-${pinned.platform}`;
    await pack([`${name}@${pinned.version}`, `npm@${pinned.npm.version}`], { root, folder: part, env });
    const [node, npmArchive] = [archive(part, name, pinned.version), archive(part, 'npm', pinned.npm.version)];
    await verify(node, pinned.integrity, name);
    await verify(npmArchive, pinned.npm.integrity, 'npm');

    const made = path.join(part, 'made');
    const wanted = new Set(['bin/node', 'LICENSE']);
    await unpack(node, (file) => (wanted.has(file) ? path.join(made, file) : undefined));
    await unpack(npmArchive, (file) => path.join(made, 'lib/node_modules/npm', file));
    for (const program of ['npm', 'npx'])
      fs.symlinkSync(`../lib/node_modules/npm/bin/${program}-cli.js`, path.join(made, 'bin', program));
    await linkGlobalSettings(made, { cwd: root, env });
    await tryOut(made, pinned.version);
    rename(made, home);
  } finally {
    fs.rmSync(part, { recursive: true, force: true });
  }
}

/** Finds out whether the program runs: the system's libraries may be too old, or programs may not be allowed in this folder. */
async function tryOut(made, version) {
  const { code, output } = await run(path.join(made, 'bin/node'), ['--version']).catch((error) => ({
    code: 1,
    output: error.message,
  }));
  if (code !== 0 || output.trim() !== `v${version}`)
    throw new Fault(`the fetched one does not run here (${output.trim().split('\n')[0]})`);
}

function rename(made, home) {
  try {
    fs.renameSync(made, home);
  } catch (error) {
    if (!['ENOTEMPTY', 'EEXIST'].includes(error.code)) throw error; // another process was first: both are the same
  }
}
