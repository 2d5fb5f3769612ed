/** Which tasks can be run now: jobs are made for those alone, and what lacks its model says so instead of failing. */
import type { RegisteredWorker } from '@cl-server/jobs';

export interface Runnable {
  /** Tasks that a live worker can run. */
  readonly able: ReadonlySet<string>;
  /** Tasks that live workers know and none can run because no model is there, or it cannot be used. */
  readonly withoutModel: ReadonlySet<string>;
  /** Tasks that live workers know and none can run because a program is missing; with the reason. */
  readonly withoutTool: ReadonlyMap<string, string>;
}

export const NOTHING_RUNS: Runnable = { able: new Set(), withoutModel: new Set(), withoutTool: new Map() };

export function runnableBy(workers: readonly RegisteredWorker[]): Runnable {
  const able = new Set(workers.flatMap(({ capabilities }) => capabilities));
  const withoutModel = new Set<string>();
  const withoutTool = new Map<string, string>();
  for (const { unavailable } of workers)
    for (const [task, { code, reason }] of Object.entries(unavailable)) {
      if (able.has(task)) continue;
      if (code === 'model_missing' || code === 'model_unusable') withoutModel.add(task);
      if (code === 'tool_missing') withoutTool.set(task, reason);
    }
  for (const task of withoutModel) withoutTool.delete(task);
  return { able, withoutModel, withoutTool };
}
