/** Requests about a job that need a further permission: precedence over other users, and paths of the server. */
import { PERMISSIONS, PRIORITY } from '@cl-server/contract';
import { forbidden } from '@cl-server/service-kit';
import type { Caller } from './access.js';

/**
 * The priority that counts. Existing clients send any number, so a request is never refused for it: without the right, what
 * is above the default counts as the default.
 * @param trustsAll whether the service runs without authentication
 */
export function grantedPriority<P extends number | undefined>(
  priority: P,
  caller: Caller,
  trustsAll: boolean,
): P | number {
  if (priority === undefined || priority <= PRIORITY.default) return priority;
  const granted = trustsAll || caller?.is_admin === true || caller?.permissions.includes(PERMISSIONS.jobPriority);
  return granted ? priority : PRIORITY.default;
}

const ABSOLUTE = /_absolute_path$/;

/** The fields that name files of the server; empty where none is set. */
export const absolutePaths = (params: Readonly<Record<string, unknown>>): string[] =>
  Object.keys(params).filter((name) => ABSOLUTE.test(name) && (params[name] ?? '') !== '');

/** @throws HttpError 403 where a field names a file of the server */
export function refuseAbsolutePaths(params: Readonly<Record<string, unknown>>): void {
  const [name] = absolutePaths(params);
  if (name === undefined) return;
  throw forbidden(`${name} is for the server's own jobs: send the file, or ask the store for the stream of an entity`, {
    code: 'server_path',
  });
}
