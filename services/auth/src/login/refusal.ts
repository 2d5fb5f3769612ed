import { HttpError } from '@cl-server/service-kit';

/** The 429 answer to a client that has failed too often, or exceeds another limit. */
export function refusedFor(ms: number, reason = 'Too many failed attempts'): HttpError {
  const seconds = Math.max(1, Math.ceil(ms / 1000));
  return new HttpError(429, `${reason}: try again in ${seconds} s`, {
    headers: { 'retry-after': String(seconds) },
  });
}
