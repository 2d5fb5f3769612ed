// The TypeScript build, which runs only if sources differ from those of the last build.
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { run } from './run.js';
import { Fault, withProgress } from './say.js';

const FLOORS = ['packages', 'services', 'apps'];

/** Folders of all workspaces that are built, relative to the root. */
function rooms(root) {
  const found = FLOORS.flatMap((floor) => fs.readdirSync(path.join(root, floor)).map((name) => `${floor}/${name}`));
  return [...found, 'testing'].filter((room) => fs.existsSync(path.join(root, room, 'tsconfig.json')));
}

/** Paths are joined by hand: `recursive` normalizes each of many hundred paths, which takes longer than reading the file states. */
function* filesBelow(root, folder) {
  for (const entry of fs.readdirSync(`${root}/${folder}`, { withFileTypes: true })) {
    const place = `${folder}/${entry.name}`;
    if (entry.isDirectory()) yield* filesBelow(root, place);
    else if (entry.isFile()) yield place;
  }
}

function* sources(root, room) {
  yield `${room}/tsconfig.json`;
  yield `${room}/package.json`;
  if (fs.existsSync(`${root}/${room}/src`)) yield* filesBelow(root, `${room}/src`);
}

/** Hashes path, size and time of every source, because reading all contents would take most of a second. */
export function sourceStamp(root) {
  const hash = createHash('sha256');
  const files = [
    'package-lock.json',
    'tsconfig.json',
    'tsconfig.base.json',
    ...rooms(root).flatMap((room) => [...sources(root, room)]),
  ];
  for (const file of files.sort()) {
    const { size, mtimeMs } = fs.statSync(`${root}/${file}`);
    hash.update(`${file}\0${size}\0${mtimeMs}\n`);
  }
  return hash.digest('hex');
}

const stampFile = (root) => path.join(root, 'node_modules/.cl-build');

/** @param {string} root */
export function needsBuild(root) {
  if (rooms(root).some((room) => !fs.existsSync(path.join(root, room, 'dist/.tsbuildinfo')))) return true;
  const file = stampFile(root);
  return !fs.existsSync(file) || fs.readFileSync(file, 'utf8') !== sourceStamp(root);
}

/** @param {string} root */
export async function build(root) {
  if (!needsBuild(root)) return;
  const stamp = sourceStamp(root);
  await withProgress('Building', async () => {
    const compiler = path.join(root, 'node_modules/typescript-7/bin/tsc');
    const { code, output } = await run(process.execPath, [compiler, '-b'], { cwd: root });
    if (code !== 0) throw new Fault(`the build failed:\n${output.trim()}`);
  });
  fs.writeFileSync(stampFile(root), stamp);
}
