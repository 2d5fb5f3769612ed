/** Reads what the launcher recorded about its processes. Writing is in another module, because schemas would slow down each start. */
import fs from 'node:fs';
import { type ChildReport, type RunState, runState } from '@cl-server/contract';
import { livingLauncher } from './lock.js';
import { runStateFile } from './run-state.js';

/** The processes of the launcher that runs on a data folder; undefined if none runs. */
export function readRunState(dataDir: string): RunState | undefined {
  try {
    const state = runState.parse(JSON.parse(fs.readFileSync(runStateFile(dataDir), 'utf8')));
    return livingLauncher(dataDir) === state.launcher ? state : undefined;
  } catch {
    return undefined;
  }
}

/** A description of what is wrong with a process; undefined if nothing is. */
export function faultOf(child: ChildReport): string | undefined {
  const { state, crashes, crash_loop: loop, last_exit: exit, next_start_at: next } = child;
  if (state === 'ready' && !loop) return undefined;
  const times = crashes === 1 ? 'crashed' : `crashed ${crashes} times in a row`;
  const again = next === null ? '' : `, restarts in ${Math.max(0, Math.ceil((next - Date.now()) / 1000))} s`;
  if (loop) return `crash loop: ${times}, last by ${exit}${again}`;
  if (state === 'crashed') return `${times} (${exit})${again}`;
  return state;
}
