/**
 * Allows one launcher per data folder. `cl-server.lock` holds the process id of the running launcher and the start time of that
 * process, because the id alone may be reused by another process. The next launcher takes over the lock of a killed one.
 */

import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { alreadyExists } from '@cl-server/kit';
import { StartupError } from '@cl-server/service-kit/program';

const FILE = 'cl-server.lock';

/** Distinguishes a live process from all earlier ones with the same id; undefined if there is no such process. */
function beginning(pid: number): string | undefined {
  try {
    if (process.platform !== 'linux')
      return execFileSync('ps', ['-o', 'lstart=', '-p', String(pid)], { encoding: 'utf8' }).trim() || undefined;
    // Field 22 of proc_pid_stat(5): ticks since boot. The name, field 2, is in brackets and may hold anything.
    const stat = fs.readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const [state, ticks] = [fields[0], fields[19]];
    return state === 'Z' ? undefined : `${fs.readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()} ${ticks}`;
  } catch {
    return undefined;
  }
}

const read = (file: string): string | undefined => {
  try {
    return fs.readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
};

/** The process id of a lock's owner, if that process is still running. */
function livingOwner(text: string): number | undefined {
  const [pid, began] = text.split('\n');
  return began !== undefined && beginning(Number(pid)) === began ? Number(pid) : undefined;
}

/** The process id of the launcher that runs on a data folder; undefined if none runs. */
export function livingLauncher(dataDir: string): number | undefined {
  const text = read(path.join(dataDir, FILE));
  return text === undefined ? undefined : livingOwner(text);
}

/**
 * Takes the lock of a data folder.
 * @returns a function that releases it
 * @throws StartupError if another launcher runs
 */
export function lockDataDir(dataDir: string): () => void {
  const file = path.join(dataDir, FILE);
  const mine = `${process.pid}\n${beginning(process.pid)}\n`;
  const draft = `${file}.${process.pid}.${randomBytes(4).toString('hex')}`;
  fs.writeFileSync(draft, mine, { mode: 0o640, flag: 'wx' });
  try {
    for (;;) {
      try {
        fs.linkSync(draft, file);
        return () => {
          if (read(file) === mine) fs.rmSync(file, { force: true });
        };
      } catch (error) {
        if (!alreadyExists(error)) throw error;
      }
      const found = read(file);
      if (found === undefined) continue; // its owner has just released it
      const owner = livingOwner(found);
      if (owner !== undefined)
        throw new StartupError(
          `the data folder ${dataDir} is in use by another CL Server (process ${owner}): stop that one, or choose another folder with --data-dir`,
        );
      if (read(file) === found) fs.rmSync(file, { force: true });
    }
  } finally {
    fs.rmSync(draft, { force: true });
  }
}
