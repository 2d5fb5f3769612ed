/** What an attack is measured by: memory, descriptors and files of a process, and the time in which it answers others. */
import { once } from 'node:events';
import fs from 'node:fs';
import path from 'node:path';
import { Worker } from 'node:worker_threads';

/** Megabytes that a process has in memory. */
export const memoryOf = (pid: number): number =>
  Number(/VmRSS:\s+(\d+)/.exec(fs.readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024;

export const descriptorsOf = (pid: number): number => fs.readdirSync(`/proc/${pid}/fd`).length;

/** Files in a folder and below whose names match; a folder that is not there has none. */
export function filesIn(folder: string, name = /./): string[] {
  if (!fs.existsSync(folder)) return [];
  return fs
    .readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && name.test(entry.name))
    .map((entry) => path.join(entry.parentPath, entry.name));
}

export interface Observed {
  /**
   * The longest time in which the service did not answer `/livez`, in milliseconds. Time in which the service or the one
   * who asks was ready to run, but other programs had the processors, is left out: the kernel counts it for each thread.
   */
  readonly silence: number;
  /** The most memory that the process had, in megabytes. */
  readonly memory: number;
}

/** Asks in a thread of its own: an attacker's event loop is busy. */
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

/** Does something while it asks a service again and again whether it is alive, and looks at its memory. */
export async function observe(
  service: { readonly url: string; readonly pid: number },
  work: () => Promise<unknown>,
): Promise<Observed> {
  const probe = new Worker(PROBE, { eval: true, workerData: service });
  const told = once(probe, 'message') as Promise<[{ silence: number; fault?: string }]>;
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
  const [{ silence, fault }] = await told;
  if (fault !== undefined) throw new Error(fault);
  return { silence: Math.round(silence), memory: Math.round(Math.max(memory, memoryOf(service.pid))) };
}
