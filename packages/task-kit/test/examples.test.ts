import fs from 'node:fs';
import path from 'node:path';
import { projectRoot, tempDir } from '@cl-server/testing';
import { expect, it } from 'vitest';
import { discoverTasks } from '../src/index.js';
import { runTask } from '../src/testing.js';

const file = { name: 'poem.txt', content: 'a rose\n\nis a rose' };

async function inPluginFolder(fill: (folder: string) => void, task: string, params: object) {
  using dir = tempDir();
  fill(dir.path);
  const definition = (await discoverTasks({ pluginsDir: dir.path, searchFrom: [dir.path] })).get(task);
  if (!definition) throw new Error(`${task} was not loaded`);
  using run = await runTask(definition, { file, params: { ...params } });
  return { output: run.output, files: run.files };
}

it('the plugin in the guide works unchanged in the plugin folder', async () => {
  const guide = fs.readFileSync(path.join(projectRoot, 'docs/guides/plugins.md'), 'utf8');
  const code = /```js\n(.*?)```/s.exec(guide)?.[1] ?? '';
  expect(code.trim().split('\n').length).toBeLessThanOrEqual(20);
  const fill = (folder: string): void => fs.writeFileSync(path.join(folder, 'line-count.mjs'), code);
  expect(await inPluginFolder(fill, 'line_count', { skip_empty: true })).toMatchObject({ output: { lines: 2 } });
});
