/** Waiting for states of other processes. */
import { setTimeout as pause } from 'node:timers/promises';

export interface WaitOptions {
  /** Milliseconds after which waiting fails. */
  readonly within?: number;
  /** Milliseconds between two checks. */
  readonly every?: number;
  readonly what?: string;
}

/**
 * Calls `look` until it returns a truthy value, and returns that. Use it for states of other processes, for which there
 * is no event; within one process, await the event itself.
 */
export async function eventually<T>(
  look: () => T | Promise<T>,
  { within = 20_000, every = 25, what = 'the awaited state' }: WaitOptions = {},
): Promise<NonNullable<Exclude<T, false | 0 | ''>>> {
  const end = performance.now() + within;
  let last: unknown;
  for (;;) {
    try {
      const value = await look();
      if (value) return value as NonNullable<Exclude<T, false | 0 | ''>>;
      last = value;
    } catch (error) {
      last = error;
    }
    if (performance.now() > end)
      throw new Error(`${what} was not reached within ${within} ms; last look: ${String(last)}`);
    await pause(every);
  }
}
