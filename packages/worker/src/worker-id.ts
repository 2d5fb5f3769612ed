import os from 'node:os';
import { StartupError } from '@cl-server/service-kit';

const VALID = /^[\w.-]{1,100}$/;

/**
 * The name under which a worker claims jobs and announces itself; it is a part of an MQTT topic.
 * @throws StartupError for a name that cannot be one
 */
export function workerId(given: string | undefined): string {
  if (given === undefined) return `worker-${os.hostname().replace(/[^\w.-]/g, '-')}-${process.pid}`.slice(-100);
  if (!VALID.test(given))
    throw new StartupError(
      `worker id "${given}": use 1 to 100 letters, digits, dots, dashes and underscores (--worker-id)`,
      2,
    );
  return given;
}
