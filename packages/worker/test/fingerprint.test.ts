/** The memory of a worker about its tasks counts only while nothing has changed that they depend on. */
import fs from 'node:fs';
import path from 'node:path';
import { type TempDir, tempDir } from '@cl-server/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type FingerprintParts, fingerprintOf } from '../src/engine/fingerprint.js';
import { UNCONFINED } from '../src/runners/confine.js';

describe('the fingerprint', () => {
  let dir: TempDir;
  let parts: FingerprintParts;
  const write = (file: string, content = ''): string => {
    const place = path.join(dir.path, file);
    fs.mkdirSync(path.dirname(place), { recursive: true });
    fs.writeFileSync(place, content);
    return place;
  };
  beforeEach(() => {
    dir = tempDir('cl-fingerprint-');
    write('package/package.json', '{}');
    write('package/lib/helper.js');
    write('elsewhere/mine.onnx');
    const manifest = {
      id: 'mine',
      role: 'clip_image',
      version: '1',
      file: 'mine.onnx',
      size: 1,
      sha256: '0'.repeat(64),
    };
    const chosen = {
      manifest: { ...manifest, license: '', source: '' },
      path: path.join(dir.path, 'elsewhere/mine.onnx'),
    };
    write('models/models.json', JSON.stringify({ version: 1, roles: { clip_image: chosen } }));
    parts = {
      plugins: [{ task: 'one', version: '1', file: write('package/dist/task.js') }],
      env: {
        tools: { ffmpeg: write('tools/ffmpeg') },
        modelsDir: path.join(dir.path, 'models'),
        mediaDir: path.join(dir.path, 'media'),
        streamsDir: path.join(dir.path, 'streams'),
        maxImagePixels: 1,
        threads: 1,
        settings: { MODELS_DOWNLOAD: 'never' },
      },
      environment: { PATH: '/bin' },
      confinement: UNCONFINED,
      pluginsDir: path.join(dir.path, 'plugins'),
    };
  });
  afterEach(() => dir.remove());

  it.each([
    ['a module of the package that has the task', () => write('package/lib/helper.js', 'x')],
    ['the module of the task', () => write('package/dist/task.js', 'x')],
    ['what is installed in the package', () => write('package/node_modules/.package-lock.json', '{}')],
    ['a file beside the plugins', () => write('plugins/_helper.mjs')],
    ['the time of a tool', () => fs.utimesSync(path.join(dir.path, 'tools/ffmpeg'), 1, 1)],
    ['a tool that is gone', () => fs.rmSync(path.join(dir.path, 'tools/ffmpeg'))],
    ['a model', () => write('models/clip/clip.onnx', 'x')],
    ['a model elsewhere that was chosen', () => fs.rmSync(path.join(dir.path, 'elsewhere/mine.onnx'))],
  ])('differs by %s', (_, change) => {
    const before = fingerprintOf(parts);
    expect(fingerprintOf(parts)).toBe(before);
    change();
    expect(fingerprintOf(parts)).not.toBe(before);
  });

  it.each<[string, Partial<FingerprintParts>]>([
    ['the version of a task', { plugins: [{ task: 'one', version: '2', file: '/nowhere/task.js' }] }],
    ['the search path', { environment: { PATH: '/usr/bin' } }],
    ['the confinement', { confinement: { command: () => ({ execPath: '/usr/bin/unshare', execArgv: [] }) } }],
  ])('differs by %s', (_, other) => {
    expect(fingerprintOf({ ...parts, ...other })).not.toBe(fingerprintOf(parts));
  });

  it('differs by the settings that tasks see', () => {
    const env = { ...parts.env, settings: { MODELS_DOWNLOAD: 'auto' } };
    expect(fingerprintOf({ ...parts, env })).not.toBe(fingerprintOf(parts));
  });

  it('stays the same while a model is fetched, and by what tasks write', () => {
    const before = fingerprintOf(parts);
    write('models/clip.onnx.part', 'x');
    write('models/clip.onnx.part.etag', 'x');
    write('models/.verified.json', '{}');
    write('streams/a/adaptive.m3u8');
    expect(fingerprintOf(parts)).toBe(before);
  });

  it('stays the same by files beside the plugin folder, even in a package around it', () => {
    write('package.json', '{}');
    parts = { ...parts, plugins: [{ task: 'one', version: '1', file: write('plugins/one.mjs') }] };
    const before = fingerprintOf(parts);
    write('media/a.jpg');
    expect(fingerprintOf(parts)).toBe(before);
    write('plugins/one.mjs', 'x');
    expect(fingerprintOf(parts)).not.toBe(before);
  });

  it('counts a link that leads to itself, or to a folder above, as what it is', () => {
    fs.symlinkSync('loop', path.join(dir.path, 'models/loop'));
    fs.symlinkSync('.', path.join(dir.path, 'models/here'));
    const before = fingerprintOf(parts);
    expect(before).toBeDefined();
    write('models/clip.onnx', 'x');
    expect(fingerprintOf(parts)).not.toBe(before);
  });

  it('is none where there are too many files to look at', () => {
    for (let n = 0; n < 5_001; n++) fs.writeFileSync(path.join(dir.path, 'models', `${n}`), '');
    expect(fingerprintOf(parts)).toBeUndefined();
  });
});
