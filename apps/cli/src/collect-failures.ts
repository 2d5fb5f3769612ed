import type { Context } from './context.js';
import { CliError, EXIT } from './exit-codes.js';
import { failureOf } from './failure.js';

/** Lets the remaining items continue when one fails, and reports the failures at the end. */
export interface Failures {
  readonly count: number;
  /** Runs the work for one item. A failure is reported, and the result is then undefined. */
  guard<T>(name: string, work: () => Promise<T>): Promise<T | undefined>;
  /** @throws CliError if any item failed */
  finish(total: number): void;
}

/** After these failures it is pointless to continue: the next item would fail in the same way. */
const FATAL: readonly number[] = [EXIT.auth, EXIT.forbidden, EXIT.unreachable, EXIT.interrupted];

/** @param single whether there is only one item: its failure is then thrown unchanged */
export function collectFailures(context: Context, single: boolean): Failures {
  const failed: string[] = [];
  return {
    get count() {
      return failed.length;
    },
    guard: async (name, work) => {
      try {
        return await work();
      } catch (error) {
        const { exitCode, message } = failureOf(error, context.signal.aborted);
        if (single || FATAL.includes(exitCode)) throw error;
        failed.push(name);
        context.out.warn(`${name}: ${message}`);
        return undefined;
      }
    },
    finish: (total) => {
      if (failed.length > 0) throw new CliError(`${failed.length} of ${total} failed`, EXIT.failed);
    },
  };
}
