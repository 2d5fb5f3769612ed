/** When a request is sent again, and after how long. */
import { ApiError, isAbort, NetworkError, TimeoutError } from '../errors.js';

export interface RetryPolicy {
  /** Further tries after the first; 0 for none. */
  readonly retries: number;
  /** Longest wait before the first retry; it doubles with each. Milliseconds. */
  readonly baseMs: number;
  readonly maxMs: number;
  /** A server's `Retry-After` beyond this is not waited for. Milliseconds. */
  readonly maxRetryAfterMs: number;
  /** Between 0 and 1. */
  readonly random: () => number;
}

export const DEFAULT_RETRY: RetryPolicy = {
  retries: 3,
  baseMs: 200,
  maxMs: 5_000,
  maxRetryAfterMs: 30_000,
  random: Math.random,
};

const TRANSIENT = new Set([408, 429, 502, 503, 504]);

/** Back-off with full jitter: many clients that failed together do not come back together. */
export const backOff = (attempt: number, { baseMs, maxMs, random }: RetryPolicy): number =>
  random() * Math.min(maxMs, baseMs * 2 ** attempt);

/** Milliseconds of a `Retry-After` header: seconds, or a date. */
export function retryAfter(header: string | null, now = Date.now()): number | undefined {
  if (!header) return undefined;
  const seconds = Number(header);
  if (Number.isFinite(seconds)) return Math.max(0, seconds * 1000);
  const date = Date.parse(header);
  return Number.isNaN(date) ? undefined : Math.max(0, date - now);
}

/**
 * Milliseconds to wait before the next try, or undefined where the failure is final.
 *
 * A request that is not idempotent is sent again only where the server cannot have acted on the first: it said so
 * (429 or 503 with `Retry-After`), or it was never reached.
 */
export function retryDelay(
  error: unknown,
  { attempt, idempotent, policy }: { attempt: number; idempotent: boolean; policy: RetryPolicy },
): number | undefined {
  if (attempt >= policy.retries || isAbort(error)) return undefined;
  if (error instanceof ApiError) {
    const asked = error.retryAfterMs;
    if (!TRANSIENT.has(error.status)) return undefined;
    if (asked !== undefined && asked > policy.maxRetryAfterMs) return undefined;
    const refusedUnseen = (error.status === 429 || error.status === 503) && asked !== undefined;
    if (!idempotent && !refusedUnseen) return undefined;
    return (asked ?? 0) + backOff(attempt, policy);
  }
  if (error instanceof NetworkError && (idempotent || neverReached(error))) return backOff(attempt, policy);
  if (error instanceof TimeoutError && idempotent) return backOff(attempt, policy);
  return undefined;
}

const UNREACHED = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH']);

function neverReached(error: NetworkError): boolean {
  for (let cause = error.cause; cause instanceof Error; cause = cause.cause) {
    const { code } = cause as { code?: string };
    if (code !== undefined && UNREACHED.has(code)) return true;
  }
  return false;
}
