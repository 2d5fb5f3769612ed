import { StartupError } from '@cl-server/service-kit';
import type { LoadedPlugin, TaskRegistry } from '@cl-server/task-kit';

/**
 * The plugins that a worker is to run.
 * @param wanted names; all where there are none
 * @throws StartupError for a name that nobody defines, saying which there are
 */
export function chosenTasks(registry: TaskRegistry, wanted: readonly string[]): readonly LoadedPlugin[] {
  const known = registry.tasks;
  const unknown = wanted.filter((task) => !known.includes(task));
  if (unknown.length > 0) {
    const reasons = unknown.flatMap((task) => {
      const plugin = registry.disabled.find((disabled) => disabled.task === task);
      return plugin ? [`${task} could not be loaded: ${plugin.reason}`] : [];
    });
    const why = reasons.length > 0 ? `${reasons.join('; ')}. ` : '';
    throw new StartupError(
      `No matching plugins found for ${unknown.join(', ')}. ${why}Available: ${known.join(', ') || 'none'}`,
      2,
    );
  }
  const names = wanted.length > 0 ? [...new Set(wanted)].sort() : known;
  if (names.length === 0)
    throw new StartupError('No compute plugins found: install @cl-server/tasks (npm ci, npm run build) or a plugin');
  return names.flatMap((task) => registry.plugin(task) ?? []);
}
