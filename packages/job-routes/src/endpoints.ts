/** The endpoint table with one entry for each task of this installation. */

import { type AnyEndpoint, jobEndpoints, openApiDocument, type TaskEndpoint, taskEndpoint } from '@cl-server/contract';
import { messageOf } from '@cl-server/kit';
import type { Logger } from '@cl-server/service-kit';
import type { AnyTask, TaskRegistry } from '@cl-server/task-kit';

export type Tasks = Pick<TaskRegistry, 'get' | 'plugin' | 'definitions'>;

export interface TaskRoute {
  readonly task: AnyTask;
  readonly endpoint: TaskEndpoint;
}

/** Throws where a plugin's schemas cannot be read by ours, e.g. because they come from another zod. */
function routeOf(task: AnyTask): TaskRoute {
  const endpoint = taskEndpoint(task);
  openApiDocument({ title: '', version: '', description: '' }, [endpoint]);
  return { task, endpoint };
}

/** A route for each task; a plugin whose form cannot be served is left out alone, with a line in the log. */
export function taskRoutes(tasks: Tasks, logger: Logger): readonly TaskRoute[] {
  return tasks.definitions.flatMap((task) => {
    try {
      return [routeOf(task)];
    } catch (error) {
      logger.error({ task: task.type, reason: messageOf(error) }, 'task left out: its fields cannot be served');
      return [];
    }
  });
}

/** The endpoints of an app that serves jobs, beside its own. */
export const jobApiEndpoints = (routes: readonly TaskRoute[]): readonly AnyEndpoint[] => [
  ...routes.map(({ endpoint }) => endpoint),
  ...jobEndpoints,
];
