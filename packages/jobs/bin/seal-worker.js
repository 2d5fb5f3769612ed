// A worker thread that waits for the disk: asked one by one through the event loop, the same calls cost several times as much.
import fs from 'node:fs';
import path from 'node:path';
import { parentPort, workerData } from 'node:worker_threads';

const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = fs.constants;
const { root } = workerData;

function sync(file) {
  const handle = fs.openSync(file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  try {
    fs.fsyncSync(handle);
  } finally {
    fs.closeSync(handle);
  }
}

/** A folder's whole content, and the folders above it up to the root. Links and pipes are left alone. */
function seal(folder) {
  for (const entry of fs.readdirSync(folder, { withFileTypes: true, recursive: true }))
    if (entry.isFile() || entry.isDirectory()) sync(path.join(entry.parentPath, entry.name));
  for (let at = folder; at !== root && at !== path.dirname(at); at = path.dirname(at)) sync(at);
}

/** @returns what went wrong, if anything did */
function faultOf(work) {
  try {
    work();
    return null;
  } catch ({ code, message }) {
    return { code, message };
  }
}

parentPort.on('message', (folders) => {
  const faults = folders.map((folder) => faultOf(() => seal(folder)));
  const rootFault = faultOf(() => sync(root));
  parentPort.postMessage(faults.map((fault) => fault ?? rootFault));
});
