import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { projectRoot, type TempDir, tempDir } from '@cl-server/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Launcher } from '../platform/support.js';

let dir: TempDir;
beforeEach(() => {
  dir = tempDir('cl-new-plugin-');
});
afterEach(() => dir.remove());

const cli = (...args: string[]) => new Launcher(['plugins', ...args], { CL_SERVER_DIR: dir.path }).ended;

/** Does what `npm install` would, from the packages that are here. */
function install(plugin: string): void {
  const modules = path.join(plugin, 'node_modules');
  fs.mkdirSync(path.join(modules, '@cl-server/task-kit'), { recursive: true });
  const archive = path.join(plugin, 'vendor/cl-server-task-kit.tgz');
  execFileSync('tar', ['xzf', archive, '--strip-components=1', '-C', path.join(modules, '@cl-server/task-kit')]);
  fs.mkdirSync(path.join(modules, '@types'));
  for (const name of ['zod', '@types/node', 'undici-types'])
    fs.symlinkSync(path.join(projectRoot, 'node_modules', name), path.join(modules, name));
}

describe('plugins new', () => {
  it.each([
    ['JavaScript', [] as string[], 'js'],
    ['TypeScript', ['--typescript'], 'ts'],
  ])(
    'writes a plugin in %s that the server loads, with a test that runs outside of this project',
    async (language, args, ending) => {
      expect(await cli('new', 'blur-faces', ...args)).toMatchObject({ code: 0, stderr: '' });
      const plugin = path.join(dir.path, 'plugins/blur-faces');
      expect(fs.readdirSync(path.join(plugin, 'src')).toSorted()).toEqual([`blur-faces.${ending}`, `run.${ending}`]);
      const texts = fs.readdirSync(plugin, { recursive: true, withFileTypes: true }).flatMap((entry) => {
        const file = path.join(entry.parentPath, entry.name);
        return entry.isFile() && !file.endsWith('.tgz') ? [fs.readFileSync(file, 'utf8')] : [];
      });
      expect(texts.join('\n')).not.toMatch(/word[-_]?count/i);
      if (language === 'TypeScript' && !process.features.typescript) return;
      install(plugin);
      const env = { PATH: process.env['PATH'] };
      const report = execFileSync(process.execPath, ['--test'], { cwd: plugin, encoding: 'utf8', env });
      expect(report).toMatch(/pass 2\n[\s\S]*fail 0\n/);
      if (language === 'TypeScript') {
        const compiler = path.join(projectRoot, 'node_modules/typescript-7/bin/tsc');
        expect(execFileSync(process.execPath, [compiler], { cwd: plugin, encoding: 'utf8' })).toBe('');
      }
      expect((await cli()).stdout).toMatch(/│ blur_faces +│ found +│ blur-faces 0\.1\.0 +│ folder/);
    },
  );

  it('refuses a name that cannot be a task, and a folder that exists', async () => {
    expect(await cli('new', 'Blur Faces')).toMatchObject({ code: 2, stderr: expect.stringContaining('lower-case') });
    expect(await cli('new')).toMatchObject({ code: 2, stderr: expect.stringContaining('give one name') });
    fs.mkdirSync(path.join(dir.path, 'plugins/mine'), { recursive: true });
    expect(await cli('new', 'mine')).toMatchObject({ code: 1, stderr: expect.stringContaining('exists already') });
  });
});
