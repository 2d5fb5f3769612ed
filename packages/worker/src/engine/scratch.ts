/**
 * Folders of attempts on this machine, below one folder of this process, which a later process removes if this one cannot. Each
 * attempt has one for its results, until they are delivered, and one for its temporary files.
 */
import fs from 'node:fs';
import fsp from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { isProcessAlive } from '@cl-server/kit';

const host = os.hostname().replace(/[^\w-]/g, '_');
const OWNER = /^(?<host>[\w-]+)\.(?<pid>\d+)$/;

export class Scratch {
  readonly #folder: string;

  /** @param root folder shared by the workers of this data folder */
  constructor(root: string) {
    fs.mkdirSync(root, { recursive: true, mode: 0o700 });
    // Process ids are valid on their own host only.
    for (const name of fs.readdirSync(root)) {
      const owner = OWNER.exec(name)?.groups;
      const pid = Number(owner?.['pid']);
      if (owner?.['host'] === host && (pid === process.pid || !isProcessAlive(pid)))
        fs.rmSync(path.join(root, name), { recursive: true, force: true });
    }
    this.#folder = path.join(root, `${host}.${process.pid}`);
    fs.mkdirSync(this.#folder, { mode: 0o700 });
  }

  /** Path of an attempt's folder; it is created when the task asks for it. */
  path(jobId: string, attempt: number): string {
    return path.join(this.#folder, `${jobId}-${attempt}`);
  }

  /** Path of the folder of an attempt's results; it is created with the first one. */
  results(jobId: string, attempt: number): string {
    return `${this.path(jobId, attempt)}.results`;
  }

  async remove(folder: string): Promise<void> {
    if (!fs.existsSync(folder)) return; // checking costs microseconds, removing nothing ten times as much
    await fsp.rm(folder, { recursive: true, force: true, maxRetries: 3 });
  }

  close(): void {
    fs.rmSync(this.#folder, { recursive: true, force: true });
  }
}
