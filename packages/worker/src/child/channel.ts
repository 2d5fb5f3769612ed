import { createTaskLogger, type TaskLogger } from '@cl-server/task-kit';
import type { FromRunner } from '../runners/protocol.js';

/** To the engine; a channel that closed meanwhile needs no answer, the process ends with its parent (parent-watch.ts). */
export function report(message: FromRunner): void {
  process.send?.(message, undefined, undefined, () => undefined);
}

/** Errors as data, since JSON would make `{}` of them. */
const plain = (fields: object): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries(fields).map(([key, value]) => [
      key,
      value instanceof Error ? { message: value.message, stack: value.stack } : (value as unknown),
    ]),
  );

/** A logger whose lines appear in the worker's log, with the id of the job. */
export const channelLogger = (jobId?: string): TaskLogger =>
  createTaskLogger((level, fields, message) =>
    report({ type: 'log', level, fields: plain(fields), message, ...(jobId !== undefined && { job_id: jobId }) }),
  );
