/** What an attack is measured by: memory, descriptors and files of a process, and the time in which it answers others. */
import fs from 'node:fs';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

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
  /** The longest time in which the service did not answer `/livez`, in milliseconds. */
  readonly silence: number;
  /** The most memory that the process had, in megabytes. */
  readonly memory: number;
}

/** Does something while it asks a service again and again whether it is alive, and looks at its memory. */
export async function observe(
  service: { readonly url: string; readonly pid: number },
  work: () => Promise<unknown>,
): Promise<Observed> {
  let silence = 0;
  let memory = 0;
  let busy = true;
  const looking = (async () => {
    while (busy) {
      const start = performance.now();
      const status = await fetch(`${service.url}/livez`, { signal: AbortSignal.timeout(60_000) }).then(
        async (answer) => {
          await answer.arrayBuffer();
          return answer.status;
        },
        (error: unknown) => String(error),
      );
      if (status !== 200) throw new Error(`/livez of ${service.url}: ${status}`);
      silence = Math.max(silence, performance.now() - start);
      memory = Math.max(memory, memoryOf(service.pid));
      await pause(20);
    }
  })();
  try {
    await Promise.race([work(), looking]);
  } finally {
    busy = false;
    await looking;
  }
  return { silence: Math.round(silence), memory: Math.round(memory) };
}
