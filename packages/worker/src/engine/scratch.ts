/** Scratch folders: one for each attempt, under one folder of this process, which a successor removes if we cannot. */
import fs from 'node:fs';
import fsp from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { isProcessAlive } from '@cl-server/kit';

const host = os.hostname().replace(/[^\w-]/g, '_');
const OWNER = /^(?<host>[\w-]+)\.(?<pid>\d+)$/;

export class Scratch {
  readonly #home: string;

  /** @param root folder shared by the workers of this data folder */
  constructor(root: string) {
    fs.mkdirSync(root, { recursive: true, mode: 0o700 });
    // Process ids mean something on their own host only.
    for (const name of fs.readdirSync(root)) {
      const owner = OWNER.exec(name)?.groups;
      const pid = Number(owner?.['pid']);
      if (owner?.['host'] === host && (pid === process.pid || !isProcessAlive(pid)))
        fs.rmSync(path.join(root, name), { recursive: true, force: true });
    }
    this.#home = path.join(root, `${host}.${process.pid}`);
    fs.mkdirSync(this.#home, { mode: 0o700 });
  }

  /** Where an attempt's folder is to be; it is made when the task asks for it. */
  place(jobId: string, attempt: number): string {
    return path.join(this.#home, `${jobId}-${attempt}`);
  }

  async remove(folder: string): Promise<void> {
    if (!fs.existsSync(folder)) return; // a look costs microseconds, a removal of nothing ten times as much
    await fsp.rm(folder, { recursive: true, force: true, maxRetries: 3 });
  }

  close(): void {
    fs.rmSync(this.#home, { recursive: true, force: true });
  }
}
