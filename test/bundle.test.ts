/** The bundle that `npm start` runs contains everything that its programs start, finds the tasks, and its stacks name sources. */
import { execFile } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { projectRoot, tempDir } from '@cl-server/testing';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { makeBundle } from '../scripts/bootstrap/make-bundle.js';

const execute = promisify(execFile);
let bundle: string;
const inBundle = (file: string): string => path.join(bundle, 'node_modules/@cl-server', file);

beforeAll(async () => {
  fs.mkdirSync(path.join(projectRoot, 'bundle'), { recursive: true });
  bundle = fs.mkdtempSync(path.join(projectRoot, 'bundle/draft-test-'));
  await makeBundle(projectRoot, bundle);
});
afterAll(() => fs.rmSync(bundle, { recursive: true, force: true }));

it('contains every program and thread that a bundled module starts by its relative path', () => {
  const chunks = fs
    .readdirSync(bundle, { recursive: true, encoding: 'utf8' })
    .filter((file) => /\.m?js$/.test(file))
    .map((file) => fs.readFileSync(path.join(bundle, file), 'utf8'));
  const started = chunks.flatMap((code) =>
    [
      ...code.matchAll(
        /new URL\("([^"]+)", placeInBundle\("([^"]+)"\)|placeInBundle\("([^"]+)"\)\.dirname, "([^"]+)"/g,
      ),
    ].map(([, to, from, folder, file]) => path.join(path.dirname(from ?? folder ?? ''), to ?? file ?? '')),
  );
  expect(started.map((file) => path.basename(file)).sort()).toEqual(
    expect.arrayContaining(['included', 'main.js', 'reader.mjs', 'seal-worker.js', 'session-worker.js']),
  );
  for (const file of started) expect(fs.existsSync(path.join(bundle, file)), file).toBe(true);
});

it('contains each built-in task once', async () => {
  const data = tempDir();
  try {
    const program = inBundle('server/bin/cl-server.js');
    const { stdout } = await execute(process.execPath, [program, 'plugins', '--data-dir', data.path]);
    const names = Object.keys(
      (
        JSON.parse(fs.readFileSync(path.join(projectRoot, 'packages/tasks/package.json'), 'utf8')) as {
          clServer: { tasks: object };
        }
      ).clServer.tasks,
    );
    for (const name of names) expect(stdout.match(new RegExp(`^\\W*${name}\\b`, 'gm')), name).toHaveLength(1);
    expect(stdout).not.toMatch(/failed|shadowed/);
  } finally {
    data.remove();
  }
});

it('a stack names the line of the source as without a bundle', async () => {
  const task = pathToFileURL(inBundle('tasks/dist/exif/task.js')).href;
  const code = `
    const { default: task } = await import('${task}');
    const module = await task.load();
    await module.run({ files: {}, params: { tags: [] } }).catch((error) => console.log(error.stack));`;
  const { stdout } = await execute(process.execPath, ['--input-type=module', '-e', code]);
  const source = path.join(projectRoot, 'packages/tasks/src/exif/run.ts');
  const line =
    fs
      .readFileSync(source, 'utf8')
      .split('\n')
      .findIndex((text) => text.includes("Error('the job has no input')")) + 1;
  expect(stdout).toMatch(/^Error: the job has no input\n/);
  expect(stdout).toContain(`${pathToFileURL(source).href}:${line}:`);
});

it('no file has characters that need two bytes each in memory', () => {
  for (const file of fs.readdirSync(inBundle('chunks')).filter((name) => name.endsWith('.js')))
    expect(/[\u0100-\uffff]/.test(fs.readFileSync(inBundle(`chunks/${file}`), 'utf8')), file).toBe(false);
});
