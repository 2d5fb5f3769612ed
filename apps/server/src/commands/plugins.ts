import path from 'node:path';
import { StartupError } from '@cl-server/service-kit/program';
import { discoverTasks } from '@cl-server/task-kit';
import type { CommandInput } from './command.js';
import { table } from './table.js';

/** Lists every task, its source, and why it is not in use. The exit code is 1 if a plugin failed. */
export async function plugins({ dataDir, print }: CommandInput): Promise<undefined> {
  const { plugins: found } = await discoverTasks({ pluginsDir: path.join(dataDir, 'plugins') });
  const rows = found.map((plugin) => [
    plugin.task || '?',
    plugin.state === 'loaded' ? 'in use' : plugin.state,
    `${plugin.package} ${plugin.version}`.trim(),
    plugin.source,
    plugin.state === 'loaded' ? plugin.definition.summary : plugin.reason,
  ]);
  print(table(['task', 'state', 'package', 'source', 'summary'], rows));
  const failed = found.filter(({ state }) => state === 'failed');
  if (failed.length > 0) throw new StartupError(`${failed.length} of ${found.length} plugins cannot be used`);
  return undefined;
}
