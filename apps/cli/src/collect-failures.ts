import type { Context } from './context.js';
import { CliError, EXIT } from './exit-codes.js';
import { type Failure, failureOf } from './failure.js';
import { oneLine } from './io/one-line.js';

/** Lets the remaining items continue when one fails, and reports the failures at the end. */
export interface Failures {
  readonly count: number;
  /**
   * Runs the work for one item. A failure is reported, and the result is then undefined.
   * @param failed called with every failure, also with one that ends the program
   */
  guard<T>(name: string, work: () => Promise<T>, failed?: (failure: Failure) => unknown): Promise<T | undefined>;
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
    guard: async (name, work, failing) => {
      try {
        return await work();
      } catch (error) {
        const failure = failureOf(error, context.signal.aborted);
        if (failure.exitCode !== EXIT.interrupted) await failing?.(failure);
        if (single || FATAL.includes(failure.exitCode)) throw error;
        failed.push(name);
        context.out.warn(`${oneLine(name)}: ${failure.message}`);
        return undefined;
      }
    },
    finish: (total) => {
      if (failed.length > 0) throw new CliError(`${failed.length} of ${total} failed`, EXIT.failed);
    },
  };
}
