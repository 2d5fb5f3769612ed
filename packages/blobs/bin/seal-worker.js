// A thread that keeps folders: through the event loop, one by one, the same system calls cost several times as much.
import fs from 'node:fs';
import path from 'node:path';
import { parentPort, workerData } from 'node:worker_threads';

const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = fs.constants;
const FOLDER_MODE = 0o750;
const MAX_TRIES = 5;
const { root, refusesLinks } = workerData;

function sync(file) {
  const handle = fs.openSync(file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  try {
    fs.fsyncSync(handle);
  } finally {
    fs.closeSync(handle);
  }
}

const failure = (code, message) => Object.assign(new Error(message), { code });
/** A folder that is not kept; the message is for the person whose tool wrote it. */
const refused = (message) => failure('REFUSED', message);

/** Everything below a folder. A link, hard or symbolic, could show a file of the server, and a pipe would hold up its reader. */
function checked(folder, { maxFiles, maxBytes }) {
  if (!fs.lstatSync(folder).isDirectory()) throw refused('A link stands in the place of the folder');
  const files = [];
  let bytes = 0;
  const open = fs.opendirSync(folder, { recursive: true });
  try {
    for (let entry = open.readSync(); entry !== null; entry = open.readSync()) {
      const file = path.join(entry.parentPath, entry.name);
      files.push(file);
      if (files.length > maxFiles) throw refused(`The folder has more than ${maxFiles} files`);
      const stat = fs.lstatSync(file);
      if (stat.isDirectory()) continue;
      if (!stat.isFile() || stat.nlink > 1) throw refused('The folder contains a link or a special file');
      bytes += stat.size;
      if (bytes > maxBytes) throw refused(`The files of the folder have more than ${maxBytes} bytes`);
    }
  } finally {
    open.closeSync();
  }
  return { files, bytes };
}

/** @throws Error with the code `ELOOP` if a link in the store leads elsewhere */
function refuseLinks(folder) {
  const expected = path.join(fs.realpathSync.native(root), path.relative(root, folder));
  if (refusesLinks && fs.realpathSync.native(folder) !== expected)
    throw failure('ELOOP', 'a link leads out of the store');
}

/** @returns the highest folder whose entries changed */
function move(folder, target) {
  const parent = path.dirname(target);
  let highest = parent;
  for (let tries = 1; ; tries++) {
    const made = fs.mkdirSync(parent, { recursive: true, mode: FOLDER_MODE });
    if (made !== undefined) highest = path.dirname(made);
    refuseLinks(parent);
    try {
      fs.renameSync(folder, target);
      return highest;
    } catch (error) {
      if (tries === MAX_TRIES) throw error;
      if (error.code === 'ENOTEMPTY' || error.code === 'EEXIST') fs.rmSync(target, { recursive: true, force: true });
      // Another process may have removed the parent, because it was empty.
      else if (error.code !== 'ENOENT' || !fs.existsSync(folder)) throw error;
    }
  }
}

/** Moves a folder to its place when its whole content is on the disk, then waits for the folders above it. */
function keep({ folder, target, limits }) {
  const { files, bytes } = checked(folder, limits);
  for (const file of files) sync(file);
  sync(folder);
  const highest = move(folder, target);
  for (let at = path.dirname(target); ; at = path.dirname(at)) {
    sync(at === root ? fs.realpathSync.native(root) : at);
    if (at === highest || at === root) return bytes;
  }
}

/** @returns what the work returned, or what went wrong */
function outcomeOf(work) {
  try {
    return work();
  } catch ({ code, message }) {
    return { code, message };
  }
}

parentPort.on('message', ({ id, ...request }) => {
  const outcome = outcomeOf(() => keep(request));
  parentPort.postMessage(typeof outcome === 'number' ? { id, bytes: outcome } : { id, ...outcome });
});
