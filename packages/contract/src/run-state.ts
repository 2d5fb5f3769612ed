/** What the launcher writes down about the processes that it runs, in `run_state.json` of the data folder. */
import { z } from 'zod';

export const CHILD_STATES = ['idle', 'starting', 'ready', 'crashed', 'draining', 'stopped', 'failed'] as const;

export const childReport = z.object({
  /** As in the logs: `auth`, `worker-1`. */
  name: z.string(),
  state: z.enum(CHILD_STATES),
  pid: z.int().nullable(),
  /** Crashes in a row: the number falls to 0 when a process has run for a while. */
  crashes: z.int(),
  /** It crashes again and again, and is started again ever more rarely. */
  crash_loop: z.boolean(),
  /** How it ended the last time, such as `exit code 1` or `SIGKILL`. */
  last_exit: z.string().nullable(),
  /** Milliseconds since 1970; null where no start is waited for. */
  next_start_at: z.int().nullable(),
});
export type ChildReport = z.infer<typeof childReport>;
export type ChildState = ChildReport['state'];

export const runState = z.object({
  /** Process id of the launcher. */
  launcher: z.int(),
  children: z.array(childReport),
});
export type RunState = z.infer<typeof runState>;
