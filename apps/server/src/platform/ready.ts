import { setTimeout as pause } from 'node:timers/promises';
import { messageOf } from '@cl-server/kit';
import { type Get, get, type Logger } from '@cl-server/service-kit/program';

export interface ReadyOptions {
  readonly logger: Logger;
  /** Ends the wait. */
  readonly interrupted: AbortSignal;
  readonly fetch?: Get;
  /** Milliseconds after which the log mentions the wait, repeatedly. */
  readonly reportAfter?: number;
}

/**
 * Waits until a service reports that it is ready. There is no deadline: on a slow machine, or while a database is away, the
 * platform is ready later, and the log names the reason.
 */
export async function untilReady(name: string, url: string, options: ReadyOptions): Promise<void> {
  const { reportAfter = 30_000, logger, interrupted } = options;
  const began = performance.now();
  let reports = 0;
  for (;;) {
    interrupted.throwIfAborted();
    let last: string;
    try {
      const response = await (options.fetch ?? get)(`${url}/readyz`, { signal: AbortSignal.timeout(5_000) });
      if (response.ok) return;
      last = (await response.text()).slice(0, 300);
    } catch (error) {
      last = messageOf(error);
    }
    const waited = performance.now() - began;
    if (waited >= reportAfter * (reports + 1)) {
      reports++;
      logger.warn(`${name} is not ready at ${url} after ${Math.round(waited / 1000)} s: ${last}`);
    }
    await pause(50);
  }
}
