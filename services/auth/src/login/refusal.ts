import { HttpError } from '@cl-server/service-kit';

/** The 429 answer to a client that has failed too often. */
export function refusedFor(ms: number): HttpError {
  const seconds = Math.max(1, Math.ceil(ms / 1000));
  return new HttpError(429, `Too many failed attempts: try again in ${seconds} s`, {
    headers: { 'retry-after': String(seconds) },
  });
}
