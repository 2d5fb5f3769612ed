// Allows only one process at a time to install and build in a copy of the project: two npm in one node_modules destroy it.
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { canWrite } from './folders.js';
import { Fault, say } from './say.js';

const HEARTBEAT = 2_000;
/** A lock that has not been touched for this long is abandoned, even if it is of another machine or container. */
const ABANDONED = 60_000;
const LOOK_AGAIN = 250;

const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}

/** @returns {{ text: string, pid: number, held: boolean } | undefined} the holder of the lock, if there is one */
function readLock(file) {
  try {
    const text = fs.readFileSync(file, 'utf8');
    const [host, pid] = text.split(' ');
    const gone = host === os.hostname() && !isAlive(Number(pid));
    return { text, pid: Number(pid), held: !gone && Date.now() - fs.statSync(file).mtimeMs < ABANDONED };
  } catch {
    return undefined;
  }
}

/** Removes an abandoned lock, and puts it back if another process has taken it over at the same moment. */
function removeAbandoned(file, text) {
  const aside = `${file}.${process.pid}`;
  try {
    fs.renameSync(file, aside);
    if (fs.readFileSync(aside, 'utf8') !== text) fs.linkSync(aside, file);
    fs.rmSync(aside, { force: true });
  } catch {
    // Another process has removed it.
  }
}

function take(file) {
  const own = `${file}.new-${process.pid}`;
  try {
    fs.writeFileSync(own, `${os.hostname()} ${process.pid} ${Date.now()}`);
    fs.linkSync(own, file); // the lock appears with its content, and only if there is none yet
    return true;
  } catch (error) {
    if (error.code === 'EEXIST') return false;
    throw error;
  } finally {
    fs.rmSync(own, { force: true });
  }
}

/**
 * @template T
 * @param {string} root
 * @param {() => Promise<T>} work
 * @returns {Promise<T>}
 */
export async function alone(root, work) {
  const file = path.join(root, '.cache/setup.lock');
  if (!canWrite(path.dirname(file))) throw new Fault(`${root} cannot be written: packages are installed there`);
  for (let told = false; !take(file); ) {
    const holder = readLock(file);
    if (holder && !holder.held) removeAbandoned(file, holder.text);
    else if (holder) {
      if (!told) say(`Waiting for process ${holder.pid}, which installs or builds here`);
      told = true;
      await wait(LOOK_AGAIN);
    }
  }
  const heartbeat = setInterval(() => fs.utimesSync(file, new Date(), new Date()), HEARTBEAT);
  try {
    return await work();
  } finally {
    clearInterval(heartbeat);
    fs.rmSync(file, { force: true });
  }
}
