/** `run_state.json`: which processes run and how they are, for `cl-server status` and `cl-server doctor`. */
import fs from 'node:fs';
import path from 'node:path';
import { type ChildReport, type RunState, runState } from '@cl-server/contract';
import { livingLauncher } from './lock.js';

const fileIn = (dataDir: string): string => path.join(dataDir, 'run_state.json');

export class RunStateFile {
  readonly #file: string;

  constructor(dataDir: string) {
    this.#file = fileIn(dataDir);
  }

  write(children: readonly ChildReport[]): void {
    const state: RunState = { launcher: process.pid, children: [...children] };
    try {
      fs.writeFileSync(`${this.#file}.new`, `${JSON.stringify(state, null, 1)}\n`, { mode: 0o640 });
      fs.renameSync(`${this.#file}.new`, this.#file);
    } catch {
      // Disk full: the log tells the same.
    }
  }

  remove(): void {
    fs.rmSync(this.#file, { force: true });
  }
}

/** The processes of the launcher that runs on a data folder; undefined where none runs. */
export function readRunState(dataDir: string): RunState | undefined {
  try {
    const state = runState.parse(JSON.parse(fs.readFileSync(fileIn(dataDir), 'utf8')));
    return livingLauncher(dataDir) === state.launcher ? state : undefined;
  } catch {
    return undefined;
  }
}

/** What is wrong with a process, in words; undefined where nothing is. */
export function faultOf(child: ChildReport): string | undefined {
  const { state, crashes, crash_loop: loop, last_exit: exit, next_start_at: next } = child;
  if (state === 'ready' && !loop) return undefined;
  const times = crashes === 1 ? 'crashed' : `crashed ${crashes} times in a row`;
  const again = next === null ? '' : `, started again in ${Math.max(0, Math.ceil((next - Date.now()) / 1000))} s`;
  if (loop) return `crash loop: ${times}, last by ${exit}${again}`;
  if (state === 'crashed') return `${times} (${exit})${again}`;
  return state;
}
