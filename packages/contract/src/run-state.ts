/** The state of the processes that the launcher runs, which it writes to `run_state.json` in the data folder. */
import { z } from 'zod';

export const CHILD_STATES = ['idle', 'starting', 'ready', 'crashed', 'draining', 'stopped', 'failed'] as const;

export const childReport = z.object({
  /** The name that logs use: `auth`, `worker-1`. */
  name: z.string(),
  state: z.enum(CHILD_STATES),
  pid: z.int().nullable(),
  /** Number of crashes in a row; it returns to 0 when the process has run for a while. */
  crashes: z.int(),
  /** The process crashes repeatedly, and the launcher waits ever longer before it restarts it. */
  crash_loop: z.boolean(),
  /** How the process ended last, such as `exit code 1` or `SIGKILL`. */
  last_exit: z.string().nullable(),
  /** Milliseconds since 1970; null if no start is scheduled. */
  next_start_at: z.int().nullable(),
});
export type ChildReport = z.infer<typeof childReport>;
export type ChildState = ChildReport['state'];

export const runState = z.object({
  /** Process id of the launcher. */
  launcher: z.int(),
  /** The addresses of the running platform for clients on this machine; a launcher of an older version wrote none. */
  urls: z
    .object({
      auth: z.string(),
      store: z.string(),
      compute: z.string(),
      mqtt: z.string().nullable(),
      mqtt_ws: z.string().nullable(),
    })
    .optional(),
  children: z.array(childReport),
});
export type RunState = z.infer<typeof runState>;
