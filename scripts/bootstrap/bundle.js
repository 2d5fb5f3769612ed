// The bundled programs: rebuilt if sources have changed, and started by `npm start`.
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import module from 'node:module';
import path from 'node:path';
import v8 from 'node:v8';
import vm from 'node:vm';
import { sourceStamp } from './build.js';
import { run } from './run.js';
import { say, withProgress } from './say.js';

/** The packages with programs, threads or tasks that are started or imported by their path. */
export const ROOMS = [
  'apps/server',
  'packages/blobs',
  'packages/media',
  'packages/models',
  'packages/service-kit',
  'packages/task-kit',
  'packages/tasks',
  'packages/worker',
  'services/auth',
  'services/compute',
  'services/store',
];

const MAKE = path.join(import.meta.dirname, 'make-bundle.js');

export const readJson = (file) => JSON.parse(fs.readFileSync(file, 'utf8'));

export const filesIn = (folder) =>
  fs.existsSync(folder)
    ? fs.readdirSync(folder, { withFileTypes: true }).flatMap((entry) => (entry.isFile() ? [entry.name] : []))
    : [];

/** The published folders of a package that contain no code. @param {readonly string[]} files of its manifest */
const dataFolders = (files) => files.filter((name) => !/^!|^(?:dist|bin|threads)$|\./.test(name));

/** All inputs of a bundle: sources, installed packages, and the scripts that make it. */
function bundleStamp(root) {
  const hash = createHash('sha256').update(sourceStamp(root));
  const files = ROOMS.flatMap((room) =>
    ['bin', 'threads', ...dataFolders(readJson(path.join(root, room, 'package.json')).files)].flatMap((folder) =>
      filesIn(path.join(root, room, folder)).map((file) => `${room}/${folder}/${file}`),
    ),
  );
  for (const file of [
    'package-lock.json',
    'scripts/bootstrap/make-bundle.js',
    'scripts/bootstrap/bundle-place.js',
    ...files,
  ]) {
    const { size, mtimeMs } = fs.statSync(path.join(root, file));
    hash.update(`${file}\0${size}\0${mtimeMs}\n`);
  }
  return hash.digest('hex').slice(0, 16);
}

/** Removes all bundles except this one and the previous one, which a running platform may still read. */
function removeOld(folder, current) {
  const others = fs
    .readdirSync(folder)
    .filter((name) => name !== current)
    .map((name) => ({ name, time: fs.statSync(path.join(folder, name)).mtimeMs }))
    .sort((a, b) => b.time - a.time);
  for (const { name } of others.slice(1)) fs.rmSync(path.join(folder, name), { recursive: true, force: true });
}

/**
 * The launcher gets the options that it gives to its processes: it starts without the optimizing compilers and collects once
 * after the start. A compile cache depends on the flags, so they come first.
 */
function startSmall() {
  for (const flag of ['--expose-gc', '--no-opt', '--no-maglev']) v8.setFlagsFromString(flag);
  globalThis.gc ??= vm.runInNewContext('gc');
}

/**
 * Returns the bundled `cl-server`, and makes the bundle if sources have changed. Compiled code is stored beside it for the next start.
 * @param {string} root
 * @returns {Promise<string | undefined>} the file; undefined if there is no bundle, which only makes a start slower
 */
export async function bundledServer(root) {
  const folder = path.join(root, 'bundle');
  try {
    const current = bundleStamp(root);
    const place = path.join(folder, current);
    if (!fs.existsSync(place))
      await withProgress('Bundling', async () => {
        fs.mkdirSync(folder, { recursive: true });
        const draft = fs.mkdtempSync(path.join(folder, 'draft-'));
        const { code, output } = await run(process.execPath, [MAKE, root, draft]);
        if (code !== 0) throw new Error(output.trim());
        try {
          fs.renameSync(draft, place);
        } catch (error) {
          if (!fs.existsSync(place)) throw error; // otherwise another start was faster
          fs.rmSync(draft, { recursive: true, force: true });
        }
        removeOld(folder, current);
      });
    startSmall();
    process.env.NODE_COMPILE_CACHE ??= path.join(place, 'cache');
    module.enableCompileCache(process.env.NODE_COMPILE_CACHE);
    return path.join(place, 'node_modules/@cl-server/server/bin/cl-server.js');
  } catch (error) {
    say(
      `cl-server: the programs could not be bundled, so this start takes longer (${String(error.message).split('\n')[0]})`,
    );
    return undefined;
  }
}
