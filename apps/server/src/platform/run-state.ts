/** Writes `run_state.json`, the state of all processes, for `cl-server status` and `cl-server doctor`. */
import fs from 'node:fs';
import path from 'node:path';
import type { ChildReport, RunState } from '@cl-server/contract';
import type { PlatformUrls } from './plan.js';

export const runStateFile = (dataDir: string): string => path.join(dataDir, 'run_state.json');

export class RunStateFile {
  readonly #file: string;
  readonly #urls: PlatformUrls;

  constructor(dataDir: string, urls: PlatformUrls) {
    this.#urls = urls;
    this.#file = runStateFile(dataDir);
  }

  write(children: readonly ChildReport[]): void {
    const state: RunState = { launcher: process.pid, urls: this.#urls, children: [...children] };
    try {
      fs.writeFileSync(`${this.#file}.new`, `${JSON.stringify(state, null, 1)}\n`, { mode: 0o640 });
      fs.renameSync(`${this.#file}.new`, this.#file);
    } catch {
      // The disk is full; the log has the same information.
    }
  }

  remove(): void {
    fs.rmSync(this.#file, { force: true });
  }
}
