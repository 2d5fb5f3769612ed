/** Checks that services make when their readiness is asked for. */
import fs from 'node:fs/promises';
import { type Broadcaster, noBroadcaster } from '../broadcaster/broadcaster.js';

/** Whether one thing that a service needs is there. A check may also throw an error with the reason. */
export type ReadinessCheck = () => boolean | Promise<boolean>;

/** With less free space than this, an upload of a photo may fail and databases soon will. */
const MIN_FREE_BYTES = 100_000_000;

/** Checks that files can be written into a folder and that its disk is not full. */
export async function folderIsUsable(folder: string): Promise<boolean> {
  await fs.access(folder, fs.constants.W_OK).catch(({ code }: NodeJS.ErrnoException) => {
    throw new Error(code === 'ENOENT' ? 'the folder is missing' : 'the folder cannot be written');
  });
  const { bavail, bsize } = await fs.statfs(folder);
  const free = bavail * bsize;
  if (free < MIN_FREE_BYTES) throw new Error(`the disk is nearly full: ${Math.floor(free / 1e6)} MB are left`);
  return true;
}

/** The check of the broker, for services that have one. They work without it, but events arrive later. */
export function brokerChecks(broadcaster: Broadcaster): Readonly<Record<string, ReadinessCheck>> {
  if (broadcaster === noBroadcaster) return {};
  return {
    broker: () => {
      if (!broadcaster.connected) throw new Error('the broker does not answer; events come late until it does');
      return true;
    },
  };
}
