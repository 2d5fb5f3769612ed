import path from 'node:path';
import { type TaskInfo, taskList } from '@cl-server/contract';
import { StartupError } from '@cl-server/service-kit/program';
import { discoverTasks, type Plugin } from '@cl-server/task-kit';
import { readRunState } from '../../platform/read-run-state.js';
import type { CommandInput } from '../command.js';
import { table } from '../table.js';

/** The tasks that the running platform has loaded, by name; undefined if it does not run or does not answer. */
async function runningTasks(dataDir: string): Promise<ReadonlyMap<string, TaskInfo> | undefined> {
  const compute = readRunState(dataDir)?.urls?.compute;
  if (compute === undefined) return undefined;
  try {
    const response = await fetch(`${compute}/tasks`, { signal: AbortSignal.timeout(5_000) });
    const { items } = taskList.parse(await response.json());
    return new Map(items.map((task) => [task.task_type, task]));
  } catch {
    return undefined;
  }
}

const STALE = 'not loaded yet: restart the platform, or start it with --watch-plugins';

/** The state of a plugin in the running platform, and its summary or the reason of the state. */
function stateIn(running: ReadonlyMap<string, TaskInfo> | undefined, plugin: Plugin): readonly [string, string] {
  if (plugin.state !== 'loaded') return [plugin.state, plugin.reason];
  const { summary, version } = plugin.definition;
  if (running === undefined) return ['found', summary];
  const task = running.get(plugin.task);
  if (!task) return ['found', STALE];
  if (task.version !== version) return ['found', `version ${version} is ${STALE}; ${task.version} is in use`];
  return task.available ? ['in use', summary] : ['unavailable', task.reason ?? 'no worker can run it'];
}

/** Lists every task, its source, and whether the running platform uses it. The exit code is 1 if a plugin failed. */
export async function plugins({ dataDir, print }: CommandInput): Promise<undefined> {
  const [{ plugins: found }, running] = await Promise.all([
    discoverTasks({ pluginsDir: path.join(dataDir, 'plugins') }),
    runningTasks(dataDir),
  ]);
  const rows = found.map((plugin) => {
    const [state, text] = stateIn(running, plugin);
    return [plugin.task || '?', state, `${plugin.package} ${plugin.version}`.trim(), plugin.source, text];
  });
  print(table(['task', 'state', 'package', 'source', 'summary'], rows));
  print(running ? '' : 'No platform runs on this data folder: the list shows what it will load.\n');
  const failed = found.filter(({ state }) => state === 'failed');
  if (failed.length > 0) throw new StartupError(`${failed.length} of ${found.length} plugins cannot be used`);
  return undefined;
}
