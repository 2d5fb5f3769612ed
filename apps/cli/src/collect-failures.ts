import type { Context } from './context.js';
import { CliError, EXIT } from './exit-codes.js';
import { failureOf } from './failure.js';

/** Lets the others of several things go on when one fails, and tells at the end. */
export interface Failures {
  readonly count: number;
  /** Runs one; its failure is told, and gives undefined. */
  guard<T>(name: string, work: () => Promise<T>): Promise<T | undefined>;
  /** @throws CliError if any failed */
  finish(total: number): void;
}

/** Not worth going on: the next would fail in the same way. */
const HOPELESS: readonly number[] = [EXIT.auth, EXIT.forbidden, EXIT.unreachable, EXIT.interrupted];

/** @param single true: the one failure is the whole program's, and thrown as it is */
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
        if (single || HOPELESS.includes(exitCode)) throw error;
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
