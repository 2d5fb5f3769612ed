/** The error with which a client learns that there is no stream. */
import { HttpError } from '@cl-server/service-kit';

const FIRST_DELAY = 2_000;
const MAX_DELAY = 300_000;

/**
 * Milliseconds from a failure to the next attempt. After the first failure the next request starts an attempt at once; a
 * file that always fails must not keep a worker busy because a player asks every second.
 * @param failures consecutive failures, 1 or more
 */
export const retryDelay = (failures: number): number =>
  failures <= 1 ? 0 : Math.min(MAX_DELAY, FIRST_DELAY * 2 ** Math.min(failures - 2, 20));

export interface FailureOptions {
  /** Milliseconds. */
  readonly retryIn?: number;
  readonly cause?: unknown;
}

/** @param reason a sentence for the client, without server paths */
export const hlsFailed = (reason: string, { retryIn, cause }: FailureOptions = {}): HttpError =>
  new HttpError(404, 'hls_failed', {
    code: 'hls_failed',
    extra: { reason },
    cause,
    ...(retryIn !== undefined && { headers: { 'retry-after': String(Math.ceil(retryIn / 1000)) } }),
  });
