// A thread that waits for the disk: through the event loop, one by one, the same calls cost several times as much.
import fs from 'node:fs';
import path from 'node:path';
import { parentPort, workerData } from 'node:worker_threads';

const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = fs.constants;
const { root, maxFiles, maxBytes } = workerData;

function sync(file) {
  const handle = fs.openSync(file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  try {
    fs.fsyncSync(handle);
  } finally {
    fs.closeSync(handle);
  }
}

/** A result that is not kept; the message is for the job's owner. */
const refused = (message) => Object.assign(new Error(message), { code: 'RESULT_REFUSED' });

/**
 * Everything below a folder. A result is a file that the task wrote: a link, hard or symbolic, could show a file of the
 * server, and a pipe would hold up its reader.
 */
function checked(folder) {
  const files = [];
  let bytes = 0;
  const open = fs.opendirSync(folder, { recursive: true });
  try {
    for (let entry = open.readSync(); entry !== null; entry = open.readSync()) {
      const file = path.join(entry.parentPath, entry.name);
      files.push(file);
      if (files.length > maxFiles) throw refused(`The task made more than ${maxFiles} files`);
      const stat = fs.lstatSync(file);
      if (stat.isDirectory()) continue;
      if (!stat.isFile() || stat.nlink > 1) throw refused('The task left a link or a special file among its results');
      bytes += stat.size;
      if (bytes > maxBytes) throw refused(`The results of the task are larger than ${maxBytes} bytes`);
    }
  } finally {
    open.closeSync();
  }
  return { files, bytes };
}

/** A folder's whole content, and the folders above it up to the root. */
function seal(folder) {
  const { files, bytes } = checked(folder);
  for (const file of files) sync(file);
  for (let at = folder; at !== path.dirname(at); at = path.dirname(at)) {
    sync(at);
    if (at === root) break;
  }
  return bytes;
}

/** @returns what the work returned, or what went wrong */
function outcomeOf(work) {
  try {
    return work();
  } catch ({ code, message }) {
    return { code, message };
  }
}

parentPort.on('message', ({ id, folder }) => {
  const outcome = outcomeOf(() => seal(folder));
  parentPort.postMessage(typeof outcome === 'number' ? { id, bytes: outcome } : { id, ...outcome });
});
