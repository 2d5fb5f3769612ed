/** The insights that can run now. Only they get jobs; an insight without its model reports that instead of failing. */
import type { RegisteredWorker } from '@cl-server/jobs';
import type { Insight } from '../define.js';

/** Names of insights. */
export interface Runnable {
  /** A live worker can run their task. */
  readonly able: ReadonlySet<string>;
  /** Live workers know their task, and none can run it because a model is missing or cannot be used. */
  readonly withoutModel: ReadonlySet<string>;
  /** Live workers know their task, and none can run it because a program is missing; with the reason. */
  readonly withoutTool: ReadonlyMap<string, string>;
}

export const NOTHING_RUNS: Runnable = { able: new Set(), withoutModel: new Set(), withoutTool: new Map() };

export function runnableBy(workers: readonly RegisteredWorker[], insights: Iterable<Insight>): Runnable {
  const able = new Set<string>();
  const withoutModel = new Set<string>();
  const withoutTool = new Map<string, string>();
  for (const { name, task } of insights) {
    if (workers.some(({ capabilities }) => capabilities.includes(task))) {
      able.add(name);
      continue;
    }
    const lacks = workers.flatMap(({ unavailable }) => unavailable[task] ?? []);
    const tool = lacks.findLast(({ code }) => code === 'tool_missing');
    if (lacks.some(({ code }) => code === 'model_missing' || code === 'model_unusable')) withoutModel.add(name);
    else if (tool) withoutTool.set(name, tool.reason);
  }
  return { able, withoutModel, withoutTool };
}
