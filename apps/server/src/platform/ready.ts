import { setTimeout as pause } from 'node:timers/promises';
import { messageOf, StartupError } from '@cl-server/runtime/program';

export interface ReadyOptions {
  /** Milliseconds. */
  readonly deadline: number;
  /** Ends the waiting. */
  readonly interrupted: AbortSignal;
  readonly fetch?: typeof fetch;
}

/**
 * Waits until a service says that everything it needs is there.
 * @throws StartupError with its last answer
 */
export async function untilReady(name: string, url: string, options: ReadyOptions): Promise<void> {
  const end = performance.now() + options.deadline;
  for (;;) {
    options.interrupted.throwIfAborted();
    let last: string;
    try {
      const response = await (options.fetch ?? fetch)(`${url}/readyz`, { signal: AbortSignal.timeout(2_000) });
      if (response.ok) return;
      last = (await response.text()).slice(0, 300);
    } catch (error) {
      last = messageOf(error);
    }
    if (performance.now() > end) throw new StartupError(`${name} is not ready at ${url}: ${last}`);
    await pause(50);
  }
}
