/**
 * Measures the effect of an attack: memory, descriptors and files of a process, and the time in which it answers
 * others.
 */
import { once } from 'node:events';
import fs from 'node:fs';
import path from 'node:path';
import { Worker } from 'node:worker_threads';

/** Memory of a process in megabytes. */
export const memoryOf = (pid: number): number =>
  Number(/VmRSS:\s+(\d+)/.exec(fs.readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024;

export const descriptorsOf = (pid: number): number => fs.readdirSync(`/proc/${pid}/fd`).length;

/** Files in a folder and its subfolders whose names match; a missing folder has none. */
export function filesIn(folder: string, name = /./): string[] {
  if (!fs.existsSync(folder)) return [];
  return fs
    .readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && name.test(entry.name))
    .map((entry) => path.join(entry.parentPath, entry.name));
}

/**
 * Milliseconds for which the main threads of some processes were ready to run while other programs had the processors, in
 * total: the part of a measured time that a busy machine adds.
 */
export const waitedOf = (...pids: readonly number[]): number =>
  pids
    .map((pid) => Number(fs.readFileSync(`/proc/${pid}/task/${pid}/schedstat`, 'utf8').split(' ')[1]) / 1e6)
    .reduce((sum, waited) => sum + waited, 0);

export interface Observed {
  /**
   * The longest time in milliseconds in which the service did not answer `/livez`. Time in which the service or the
   * probe was ready to run, but other programs had the processors, does not count: the kernel records it for each
   * thread.
   */
  readonly silence: number;
  /** The maximum memory of the process in megabytes. */
  readonly memory: number;
}

/** The probe runs in a thread of its own, because an attacker's event loop is busy. */
const PROBE = `
const { readFileSync } = require('node:fs');
const { parentPort, workerData: { url, pid } } = require('node:worker_threads');
const waits = ['/proc/thread-self/schedstat', '/proc/' + pid + '/task/' + pid + '/schedstat'];
const waited = () => waits.reduce((sum, file) => sum + Number(readFileSync(file, 'utf8').split(' ')[1]) / 1e6, 0);
let busy = true;
let silence = 0;
parentPort.on('message', () => { busy = false; });
(async () => {
  try {
    while (busy) {
      const start = performance.now();
      const before = waited();
      const answer = await fetch(url + '/livez', { signal: AbortSignal.timeout(60_000) });
      await answer.arrayBuffer();
      if (answer.status !== 200) throw new Error('/livez: ' + answer.status);
      silence = Math.max(silence, performance.now() - start - (waited() - before));
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    parentPort.postMessage({ silence });
  } catch (error) {
    parentPort.postMessage({ fault: String(error.cause ?? error) });
  }
  parentPort.close();
})();
`;

/** Does some work, during which it repeatedly probes the liveness of a service and measures its memory. */
export async function observe(
  service: { readonly url: string; readonly pid: number },
  work: () => Promise<unknown>,
): Promise<Observed> {
  const probe = new Worker(PROBE, { eval: true, workerData: service });
  const answer = once(probe, 'message') as Promise<[{ silence: number; fault?: string }]>;
  let memory = 0;
  const looking = setInterval(() => {
    memory = Math.max(memory, memoryOf(service.pid));
  }, 20);
  try {
    await once(probe, 'online');
    await work();
  } finally {
    clearInterval(looking);
    probe.postMessage('end');
  }
  const [{ silence, fault }] = await answer;
  if (fault !== undefined) throw new Error(fault);
  return { silence: Math.round(silence), memory: Math.round(Math.max(memory, memoryOf(service.pid))) };
}
