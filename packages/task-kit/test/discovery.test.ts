import fs from 'node:fs';
import path from 'node:path';
import { type TempDir, tempDir } from '@cl-server/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { discoverTasks } from '../src/index.js';

const definition = (
  type: string,
  version = '1.2.3',
): string => `export default ({ defineTask, field, z }) => defineTask({
  type: '${type}', version: '${version}', summary: 'Test', file: 'none',
  params: z.object({ times: field.int({ ge: 1 }).default(1) }), output: z.object({ ok: z.boolean() }),
  load: async () => ({ run: async () => ({ ok: true }) }),
});`;

describe('discovery of tasks', () => {
  let dir: TempDir;
  let project: string;
  let pluginsDir: string;
  beforeEach(() => {
    dir = tempDir();
    project = path.join(dir.path, 'project');
    pluginsDir = path.join(dir.path, 'data', 'plugins');
  });
  afterEach(() => dir.remove());

  const write = (file: string, content: string): void => {
    fs.mkdirSync(path.dirname(file), { recursive: true });
    fs.writeFileSync(file, content);
  };
  /** Installs a package with one task for each name. */
  const install = (folder: string, name: string, tasks: Record<string, string>): void => {
    const files = Object.keys(tasks).map((task) => [task, `./${task}.js`] as const);
    const manifest = { name, version: '2.0.0', type: 'module', clServer: { tasks: Object.fromEntries(files) } };
    write(path.join(folder, 'package.json'), JSON.stringify(manifest));
    for (const [task, file] of files) write(path.join(folder, file), tasks[task] ?? '');
  };
  const installed = (name: string, tasks: Record<string, string>): void =>
    install(path.join(project, 'node_modules', name), name, tasks);
  const discover = () => discoverTasks({ searchFrom: [path.join(project, 'app', 'src')], pluginsDir });
  const states = async () =>
    (await discover()).plugins.map((p) => [p.task, p.package, p.source, p.state, ...('reason' in p ? [p.reason] : [])]);

  it('finds packages above the folder, scoped and linked ones, and those that only a linked one can reach', async () => {
    installed('plain', { plain_task: definition('plain_task') });
    installed('@scope/pack', { scoped_task: definition('scoped_task') });
    const workspace = path.join(project, 'packages', 'mine');
    install(workspace, 'mine', { linked_task: definition('linked_task') });
    install(path.join(workspace, 'node_modules', 'inner'), 'inner', { inner_task: definition('inner_task') });
    fs.symlinkSync(workspace, path.join(project, 'node_modules', 'mine'));
    fs.symlinkSync(path.join(project, 'nowhere'), path.join(project, 'node_modules', 'dangling'));
    write(path.join(project, 'node_modules', 'other', 'package.json'), '{"name":"other"}');
    expect((await discover()).tasks).toEqual(['inner_task', 'linked_task', 'plain_task', 'scoped_task']);
  });

  it('takes the nearer of two installed packages with the same name, and omits the other', async () => {
    installed('pack', { far_task: definition('far_task') });
    install(path.join(project, 'app/node_modules/pack'), 'pack', { near_task: definition('near_task') });
    expect(await states()).toEqual([['near_task', 'pack', 'package', 'loaded']]);
  });

  it('reads packages and single files of the plugin folder, which may be missing', async () => {
    expect((await discover()).plugins).toEqual([]);
    write(path.join(pluginsDir, 'my-count.js'), definition('my_count', '9.9.9'));
    install(path.join(pluginsDir, 'pack'), 'pack', { packed: definition('packed') });
    write(path.join(pluginsDir, '_draft.js'), 'not even code (');
    write(path.join(pluginsDir, 'README.md'), 'text');
    const registry = await discover();
    expect(registry.plugins.map((p) => [p.task, p.version, p.source, p.state])).toEqual([
      ['my_count', '9.9.9', 'folder', 'loaded'],
      ['packed', '2.0.0', 'folder', 'loaded'],
    ]);
    expect(registry.get('my_count')?.summary).toBe('Test');
  });

  it('reads a TypeScript file of the plugin folder, or says which Node can', async () => {
    const typed = `import type { PluginKit } from '@cl-server/task-kit';\n${definition('typed')}`;
    write(path.join(pluginsDir, 'typed.ts'), typed.replace('z })', 'z }: PluginKit)'));
    write(path.join(pluginsDir, 'types.d.ts'), 'export type Nothing = never;');
    const [plugin, ...others] = (await discover()).plugins;
    expect(others).toEqual([]);
    if (process.features.typescript) expect(plugin).toMatchObject({ task: 'typed', state: 'loaded' });
    else expect(plugin).toMatchObject({ state: 'failed', reason: expect.stringContaining('use Node 22.18 or newer') });
  });

  it('isolates faulty plugins, and reports why they fail', async () => {
    installed('good', { good: definition('good') });
    installed('broken', {
      throws: 'throw new Error("no library here\\nstack")',
      empty: 'export const x = 1',
      shape: 'export default { type: "shape" }',
      text: 'export default 5',
      renamed: definition('other_name'),
      reserved: definition('batch'),
    });
    write(
      path.join(project, 'node_modules', 'unbuilt', 'package.json'),
      '{"name":"unbuilt","clServer":{"tasks":{"unbuilt":"./dist/x.js"}}}',
    );
    write(path.join(project, 'node_modules', 'odd', 'package.json'), '{"name":"odd","clServer":{"tasks":["x"]}}');
    write(
      path.join(project, 'node_modules', 'outside', 'package.json'),
      '{"name":"outside","clServer":{"tasks":{"outside":"../good/good.js"}}}',
    );
    fs.mkdirSync(path.join(pluginsDir, 'bare'), { recursive: true });
    expect(await states()).toEqual([
      ['', 'bare', 'folder', 'failed', expect.stringContaining('package.json')],
      ['', 'odd', 'package', 'failed', expect.stringContaining('clServer')],
      ['empty', 'broken', 'package', 'failed', 'its module has no default export'],
      ['good', 'good', 'package', 'loaded'],
      ['outside', 'outside', 'package', 'failed', expect.stringContaining('outside of the package')],
      ['renamed', 'broken', 'package', 'failed', 'it is declared as "renamed" but defines "other_name"'],
      ['reserved', 'broken', 'package', 'failed', expect.stringContaining('reserved')],
      ['shape', 'broken', 'package', 'failed', expect.stringContaining('version')],
      [
        'text',
        'broken',
        'package',
        'failed',
        expect.stringMatching(/^its default export is not a task definition: [^:]/),
      ],
      ['throws', 'broken', 'package', 'failed', 'no library here'],
      ['unbuilt', 'unbuilt', 'package', 'failed', expect.stringContaining('build the package')],
    ]);
  });

  it('prefers the built-in task of a name, then the first package by name; the others are listed', async () => {
    installed('zeta', { same: definition('same'), hash: definition('hash') });
    installed('alpha', { same: definition('same') });
    installed('@cl-server/tasks', { hash: definition('hash') });
    expect(await states()).toEqual([
      ['hash', '@cl-server/tasks', 'builtin', 'loaded'],
      ['hash', 'zeta', 'package', 'shadowed', 'the task with this name from @cl-server/tasks takes precedence'],
      ['same', 'alpha', 'package', 'loaded'],
      ['same', 'zeta', 'package', 'shadowed', 'the task with this name from alpha takes precedence'],
    ]);
  });

  it('gives the name to the next plugin if the first cannot be loaded', async () => {
    installed('alpha', { same: 'throw new Error("broken")' });
    installed('zeta', { same: definition('same') });
    expect((await discover()).plugin('same')?.package).toBe('zeta');
  });
});
