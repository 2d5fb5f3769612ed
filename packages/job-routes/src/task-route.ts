/** `GET /tasks`: what this installation can do. */
import { listTasks, type TaskInfo } from '@cl-server/contract';
import type { App } from '@cl-server/service-kit';
import { type AnyTask, DEFAULT_TIMEOUT, taskSchemas } from '@cl-server/task-kit';
import type { TaskRoute, Tasks } from './endpoints.js';
import type { WorkerViews } from './worker-views.js';

/** The source of a task, without a path of this machine. */
function sourceOf(tasks: Tasks, task: AnyTask): string {
  const plugin = tasks.plugin(task.type);
  return !plugin || plugin.source === 'builtin' ? 'builtin' : plugin.package;
}

const infoOf = (tasks: Tasks, task: AnyTask): Omit<TaskInfo, 'available' | 'reason'> => ({
  task_type: task.type,
  version: task.version,
  summary: task.summary,
  file: task.file ?? 'required',
  source: sourceOf(tasks, task),
  ...taskSchemas(task),
  timeout_seconds: task.timeout ?? DEFAULT_TIMEOUT,
  requirements: { tools: [...(task.requirements?.tools ?? [])], models: [...(task.requirements?.models ?? [])] },
});

export function serveTasks(app: App, tasks: Tasks, routes: readonly TaskRoute[], workers: WorkerViews): void {
  const infos = routes.map(({ task }) => infoOf(tasks, task));
  app.handle(listTasks, async () => {
    const availability = await workers.availabilities();
    return { items: infos.map((info) => ({ ...info, ...availability(info.task_type) })) };
  });
}
