/** The installations and messages of the bootstrap. Every `npm test` is a real run of it. */
import { execFile } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { projectRoot, type TempDir, tempDir } from '@cl-server/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { alone } from '../scripts/bootstrap/alone.js';
import { build, needsBuild } from '../scripts/bootstrap/build.js';
import { explainNpm, npmEnvironment } from '../scripts/bootstrap/npm.js';
import { whatToInstall } from '../scripts/bootstrap/packages.js';
import { missingTools } from '../scripts/bootstrap/tools.js';

let root: TempDir;
beforeEach(() => {
  root = tempDir('cl-bootstrap-');
});
afterEach(() => root.remove());

function write(file: string, content: unknown): void {
  const target = path.join(root.path, file);
  fs.mkdirSync(path.dirname(target), { recursive: true });
  fs.writeFileSync(target, typeof content === 'string' ? content : JSON.stringify(content));
}

/** Runs the bootstrap in a copy of the project that contains nothing else. */
async function bootstrap(
  args: readonly string[],
  { env = {}, node = [] }: { env?: NodeJS.ProcessEnv; node?: readonly string[] } = {},
): Promise<{ code: number; lines: string[] }> {
  for (const item of ['scripts', 'packages/contract/bin'])
    fs.cpSync(path.join(projectRoot, item), path.join(root.path, item), { recursive: true });
  const script = path.join(root.path, 'scripts/bootstrap.js');
  const run = promisify(execFile)(process.execPath, [...node, script, ...args], { env: { ...process.env, ...env } });
  const { code, stderr } = await run.then(
    (done) => ({ code: 0, stderr: done.stderr }),
    (failed: { code: number; stderr: string }) => failed,
  );
  return { code, lines: stderr.trim().split('\n') };
}

describe('packages are installed', () => {
  const a = { version: '1.0.0', integrity: 'sha512-a' };
  const dev = { ...a, dev: true };
  const lock = (packages: object): object => ({ name: 'x', lockfileVersion: 3, packages: { '': {}, ...packages } });
  const wanted = (packages: object) => write('package-lock.json', lock(packages));
  const installed = (packages: object) => write('node_modules/.package-lock.json', lock(packages));

  it('from scratch if there are none or the first installation was interrupted: those of the requested set', () => {
    wanted({ 'node_modules/a': a });
    const nothing = { why: 'packages are not installed', how: 'clean' };
    expect(whatToInstall(root.path, 'run')).toEqual({ ...nothing, set: 'run' });
    write('node_modules/a/package.json', {});
    expect(whatToInstall(root.path, 'all')).toEqual({ ...nothing, set: 'all' });
  });

  it('in addition to existing ones if one is missing', () => {
    wanted({ 'node_modules/a': a, 'packages/own/node_modules/b': a });
    installed({ 'node_modules/a': a });
    expect(whatToInstall(root.path, 'run')).toEqual({ why: 'b is not installed', how: 'add', set: 'run' });
  });

  it('from scratch if one has another version', () => {
    installed({ 'node_modules/a': a });
    wanted({ 'node_modules/a': { ...a, version: '1.0.1' } });
    expect(whatToInstall(root.path, 'run')).toEqual({ why: 'a is of another version', how: 'clean', set: 'run' });
  });

  it('not at all if only those for other machines are missing', () => {
    wanted({ 'node_modules/a': a, 'node_modules/mac-only': { ...a, optional: true } });
    installed({ 'node_modules/a': a });
    expect(whatToInstall(root.path, 'all')).toBeUndefined();
  });

  it('for tests only on request, and a start keeps them', () => {
    wanted({ 'node_modules/a': a, 'node_modules/test-kit': dev, 'node_modules/either': { ...a, devOptional: true } });
    installed({ 'node_modules/a': a });
    expect(whatToInstall(root.path, 'run')).toBeUndefined();
    expect(whatToInstall(root.path, 'all')).toEqual({ why: 'test-kit is not installed', how: 'add', set: 'all' });

    installed({ 'node_modules/test-kit': dev });
    expect(whatToInstall(root.path, 'run')).toEqual({ why: 'a is not installed', how: 'add', set: 'all' });
  });

  it('from scratch if adding those for tests was interrupted', () => {
    wanted({ 'node_modules/a': a, 'node_modules/test-kit': dev });
    installed({ 'node_modules/a': a });
    write('node_modules/.cl-installing', '');
    expect(whatToInstall(root.path, 'run')).toMatchObject({ how: 'clean', set: 'run' });
    expect(whatToInstall(root.path, 'all')).toMatchObject({ how: 'clean', set: 'all' });
  });
});

it('only one process at a time installs and builds, and the lock of a killed one is taken over', async () => {
  write('.cache/setup.lock', `${os.hostname()} 999999999`);
  let inside = 0;
  const once = () =>
    alone(root.path, async () => {
      expect(++inside).toBe(1);
      await new Promise((resolve) => setImmediate(resolve));
      inside--;
    });
  // The lock cannot distinguish two calls in this process.
  await Promise.all([once(), once()]);
  expect(fs.readdirSync(path.join(root.path, '.cache'))).toEqual([]);
});

it('npm never downloads GPU libraries, and has its cache in the project if it has none elsewhere', () => {
  const npm_config_cache = path.join(root.path, 'cache');
  expect(npmEnvironment({ npm_config_cache })).toEqual({ ONNXRUNTIME_NODE_INSTALL: 'skip', npm_config_cache });
  expect(npmEnvironment({ HOME: '/dev/null' })).toEqual({
    HOME: '/dev/null',
    ONNXRUNTIME_NODE_INSTALL: 'skip',
    npm_config_cache: path.join(projectRoot, '.cache/npm'),
  });
});

it.each([
  ['npm error code ENOTFOUND\nnpm error network request to https://x failed', 'cannot be reached'],
  ['npm error code EUSAGE\nnpm error `npm ci` can only install packages when your package.json', 'npm install'],
  ['npm error code ENOSPC', 'disk is full'],
  ['npm error code EWHATEVER\nnpm error something new\nnpm error A complete log of this run', 'something new'],
])('summarises the output of npm in one line that says what to do: %s', (output, expected) => {
  const line = explainNpm(output);
  expect(line).toContain(expected);
  expect(line).not.toContain('\n');
});

describe('the build runs', () => {
  const compiler = `
    import fs from 'node:fs';
import os from 'node:os';
    fs.appendFileSync('runs', 'x');
    if (fs.readFileSync('packages/a/src/index.ts', 'utf8').includes('wrong')) { console.log('index.ts(1,1): error'); process.exit(2); }
    fs.mkdirSync('packages/a/dist', { recursive: true });
    fs.writeFileSync('packages/a/dist/.tsbuildinfo', '');`;
  const runs = (): number => fs.readFileSync(path.join(root.path, 'runs'), 'utf8').length;

  beforeEach(async () => {
    write('package.json', { type: 'module' });
    write('node_modules/typescript-7/package.json', { type: 'module' });
    write('node_modules/typescript-7/bin/tsc', compiler);
    for (const file of [
      'package-lock.json',
      'tsconfig.json',
      'tsconfig.base.json',
      'packages/a/tsconfig.json',
      'packages/a/package.json',
    ])
      write(file, '{}');
    for (const floor of ['services', 'apps']) fs.mkdirSync(path.join(root.path, floor));
    write('packages/a/src/index.ts', 'export {};');
    await build(root.path);
  });

  it('once, and again only after a source was changed, added or removed', async () => {
    await build(root.path);
    expect(runs()).toBe(1);
    write('packages/a/src/deep/more.ts', '');
    await build(root.path);
    write('packages/a/src/index.ts', 'export const a = 1;');
    await build(root.path);
    fs.rmSync(path.join(root.path, 'packages/a/src/deep'), { recursive: true });
    await build(root.path);
    expect(runs()).toBe(4);
  });

  it('again if its output is missing', () => {
    fs.rmSync(path.join(root.path, 'packages/a/dist'), { recursive: true });
    expect(needsBuild(root.path)).toBe(true);
  });

  it('again after it has failed, with the messages of the compiler', async () => {
    write('packages/a/src/index.ts', 'wrong');
    await expect(build(root.path)).rejects.toThrow('index.ts(1,1): error');
    expect(needsBuild(root.path)).toBe(true);
  });
});

it('tools are found in PATH or by their variable', () => {
  write('bin/perl', '');
  fs.chmodSync(path.join(root.path, 'bin/perl'), 0o755);
  const names = (env: NodeJS.ProcessEnv): string[] => missingTools(env).map(({ name }) => name);
  const PATH = path.join(root.path, 'bin');
  expect(names({ PATH })).toEqual(['ffmpeg', 'ffprobe']);
  expect(names({ PATH, FFMPEG_PATH: '/opt/ffmpeg', FFPROBE_PATH: '/opt/ffprobe' })).toEqual([]);
});

describe('one clear line and an exit code report', () => {
  const tools = { FFMPEG_PATH: process.execPath, FFPROBE_PATH: process.execPath };

  it('a Node that is too old to fetch a newer one', async () => {
    write(
      'old.cjs',
      "Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '16.20.2' } });",
    );
    const { code, lines } = await bootstrap(['start'], { node: ['-r', path.join(root.path, 'old.cjs')] });
    expect({ code, lines }).toEqual({
      code: 1,
      lines: ['cl-server: this is Node 16.20.2, and 22.14 or newer is needed: install Node 24'],
    });
  });

  it('a missing ffmpeg, if it cannot be installed', async () => {
    const { code, lines } = await bootstrap(['start'], { env: { PATH: root.path } });
    expect(code).toBe(1);
    expect(lines).toEqual([
      'cl-server: ffmpeg, ffprobe, perl not found: install them ("sudo apt-get install ffmpeg perl") and try again',
    ]);
  });

  it('a registry that cannot be reached', async () => {
    write('package.json', { name: 'x', version: '1.0.0', dependencies: { 'cl-no-such-package': '1.0.0' } });
    write('package-lock.json', {
      name: 'x',
      version: '1.0.0',
      lockfileVersion: 3,
      packages: {
        '': { name: 'x', version: '1.0.0', dependencies: { 'cl-no-such-package': '1.0.0' } },
        'node_modules/cl-no-such-package': {
          version: '1.0.0',
          resolved: 'http://127.0.0.1:9/cl-no-such-package-1.0.0.tgz',
        },
      },
    });
    const { code, lines } = await bootstrap(['start'], {
      env: { ...tools, npm_config_registry: 'http://127.0.0.1:9/', npm_config_fetch_retries: '0' },
    });
    expect(code).toBe(1);
    expect(lines.at(-1)).toMatch(/^cl-server: npm ci failed: the package registry cannot be reached/);
    expect(lines.join('\n')).not.toMatch(/^npm |^\s+at /m);
  });

  it('an unknown command', async () => {
    const { code, lines } = await bootstrap(['strat']);
    expect({ code, lines }).toEqual({ code: 1, lines: [expect.stringMatching(/^cl-server: unknown command strat: /)] });
  });
});
