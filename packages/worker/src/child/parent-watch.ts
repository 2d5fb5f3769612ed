/**
 * A runner must not outlive its engine, whatever the task does: the end of the IPC channel is seen only by an event loop
 * that turns, so a thread looks at the parent too. The runner leads a process group; tools that the task started are in
 * it and end with it.
 */
import { Worker } from 'node:worker_threads';

const POLL_MS = 500;

const endGroup = (): void => {
  try {
    process.kill(-process.pid, 'SIGKILL');
  } catch {
    process.exit(1); // not a group leader, e.g. started by hand
  }
};

const watch = `
  const { workerData } = require('node:worker_threads');
  setInterval(() => {
    if (process.ppid === workerData.parent) return;
    try { process.kill(-process.pid, 'SIGKILL'); } catch { process.kill(process.pid, 'SIGKILL'); }
  }, workerData.every);
`;

/** @param parent process id of the engine */
export function watchParent(parent: number): void {
  process.on('disconnect', endGroup);
  const thread = new Worker(watch, {
    eval: true,
    workerData: { parent, every: POLL_MS },
    resourceLimits: { maxOldGenerationSizeMb: 16, maxYoungGenerationSizeMb: 4 },
  });
  thread.unref();
}
