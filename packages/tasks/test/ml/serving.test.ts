import fs from 'node:fs';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { sharp } from '@cl-server/media';
import { decodeNpy, ModelStore } from '@cl-server/models';
import { createTaskContext, type TaskContext } from '@cl-server/task-kit';
import { testEnvironment } from '@cl-server/task-kit/testing';
import { installStandIns, makeStandIn, type TempDir, tempDir } from '@cl-server/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { clipEmbedding } from '../../src/clip_embedding/run.js';
import { loadModel } from '../../src/vision/load-model.js';
import { ServingModel } from '../../src/vision/serving-model.js';

const flat = (brightness: number): Promise<Buffer> =>
  sharp({ create: { width: 64, height: 64, channels: 3, background: { r: brightness, g: brightness, b: brightness } } })
    .png()
    .toBuffer();

describe('the model that serves', () => {
  let dir: TempDir;
  let store: ModelStore;
  let pictures = 0;
  const env = (settings: Record<string, string> = {}) =>
    testEnvironment({ modelsDir: dir.path, settings: { MODELS_DOWNLOAD: 'never', ...settings } });
  const modules: { teardown?(): Promise<void> }[] = [];
  const clip = () => {
    const module = clipEmbedding();
    modules.push(module);
    return module;
  };
  const context = async (brightness: number): Promise<TaskContext<{ normalize: boolean }>> => {
    const name = `${++pictures}`;
    const input = path.join(dir.path, `${name}.png`);
    fs.writeFileSync(input, await flat(brightness));
    const environment = env();
    return createTaskContext({
      jobId: name,
      attempt: 1,
      params: { normalize: true, output_path: `${name}.npy` },
      input,
      results: dir.path,
      scratch: dir.path,
      signal: new AbortController().signal,
      logger: environment.logger,
      env: environment,
      onProgress: () => undefined,
    }) as TaskContext<{ normalize: boolean }>;
  };

  beforeEach(() => {
    dir = tempDir();
    installStandIns(dir.path, ['clip_image']);
    store = new ModelStore({ dir: dir.path });
  });
  afterEach(async () => {
    await Promise.all(modules.splice(0).map((module) => module.teardown?.()));
    dir.remove();
  });

  it('is replaced from the first job after "models use" on, and restored after "--default"', async () => {
    const module = clip();
    await module.setup?.(env());
    expect(await module.run(await context(200))).toMatchObject({ model_id: 'stand-in-clip-image' });
    const { file, manifest } = makeStandIn(path.join(dir.path, 'other'), 'clip_image', { failsInTheDark: true });
    const underWay = module.run(await context(200));
    await store.use('clip_image', file, manifest);
    expect(await module.run(await context(200))).toMatchObject({ model_id: 'stand-in-clip-image-dark' });
    await underWay;
    const batch = await module.runBatch?.([await context(180), await context(220)]);
    expect(batch?.map((one) => one.status === 'fulfilled' && one.value.model_id)).toEqual(
      Array(2).fill('stand-in-clip-image-dark'),
    );
    await store.useKnown('clip_image');
    await expect(module.run(await context(200))).rejects.toMatchObject({
      name: 'TaskUnavailable',
      code: 'model_missing',
      message: expect.stringContaining('vision_model.onnx'),
    });
  });

  it('is unloaded after its last job if it was replaced', async () => {
    const serving = new ServingModel('clip_image');
    modules.push({ teardown: () => serving.release() });
    let finish: () => void = () => undefined;
    const waiting = new Promise<void>((resolve) => {
      finish = resolve;
    });
    let inHand: () => void = () => undefined;
    const held = new Promise<void>((resolve) => {
      inHand = resolve;
    });
    const sessions: { loaded: boolean }[] = [];
    const first = serving.use(env(), async ({ session }) => {
      sessions.push(session);
      inHand();
      await waiting;
    });
    await held;
    const { file, manifest } = makeStandIn(path.join(dir.path, 'other'), 'clip_image', { failsInTheDark: true });
    await store.use('clip_image', file, manifest);
    await serving.use(env(), async ({ session }) => void sessions.push(session));
    expect(sessions.map(({ loaded }) => loaded)).toEqual([true, true]);
    finish();
    await first;
    await expect.poll(() => sessions.map(({ loaded }) => loaded)).toEqual([false, true]);
  });

  it('fails the job and stores nothing if the result contains values that are not numbers', async () => {
    const { file, manifest } = makeStandIn(dir.path, 'clip_image', { failsInTheDark: true });
    await store.use('clip_image', file, manifest);
    const module = clip();
    await module.setup?.(env());
    const dark = await context(0);
    await expect(module.run(dark)).rejects.toMatchObject({
      name: 'TaskError',
      code: 'task_failed',
      retryable: false,
      message: expect.stringContaining('NaN'),
    });
    const bright = await context(200);
    const results = await module.runBatch?.([await context(0), bright]);
    expect(results?.map(({ status }) => status)).toEqual(['rejected', 'fulfilled']);
    expect(fs.readdirSync(dir.path).filter((name) => name.endsWith('.npy'))).toEqual([`${bright.jobId}.npy`]);
    expect(decodeNpy(fs.readFileSync(path.join(dir.path, `${bright.jobId}.npy`))).every(Number.isFinite)).toBe(true);
  });

  it('is verified again when it is loaded again: a damaged file makes the task unavailable', async () => {
    const serving = new ServingModel('clip_image');
    modules.push({ teardown: () => serving.release() });
    const file = (await store.resolve('clip_image')).path;
    const damage = serving.use(env(), async ({ session, manifest }) => {
      await session.release(); // this also happens when memory is short
      fs.writeFileSync(file, Buffer.alloc(manifest.size));
      await session.names();
    });
    await expect(damage).rejects.toMatchObject({ name: 'TaskUnavailable', code: 'model_missing' });
    await expect(serving.load(env())).rejects.toMatchObject({ code: 'model_missing' });
    installStandIns(dir.path, ['clip_image']);
    await serving.load(env());
  });

  it('is found again after its folder moved, and downloaded again if possible', async () => {
    const moved = path.join(dir.path, 'moved');
    fs.mkdirSync(moved);
    fs.renameSync(path.join(dir.path, 'stand-ins'), path.join(moved, 'stand-ins'));
    fs.renameSync(path.join(dir.path, 'models.json'), path.join(moved, 'models.json'));
    const there = testEnvironment({ modelsDir: moved, settings: { MODELS_DOWNLOAD: 'never' } });
    const model = await loadModel(there, 'clip_image');
    expect(model.stamp.model_id).toBe('stand-in-clip-image');
    await model.session.release();
    const file = path.join(moved, 'stand-ins/stand_in_clip_image.onnx');
    const source = http.createServer((_, response) => void response.end(bytes));
    const bytes = fs.readFileSync(file);
    await new Promise<void>((resolve) => source.listen(0, '127.0.0.1', resolve));
    try {
      const { port } = source.address() as AddressInfo;
      const { manifest } = await new ModelStore({ dir: moved }).serving('clip_image');
      const urls = [`http://127.0.0.1:${port}/x.onnx`];
      fs.rmSync(file);
      await expect(loadModel(there, 'clip_image')).rejects.toMatchObject({ code: 'model_missing' });
      const choices = { version: 1, roles: { clip_image: { manifest: { ...manifest, urls }, path: file } } };
      fs.writeFileSync(path.join(moved, 'models.json'), JSON.stringify(choices));
      await (await loadModel(testEnvironment({ modelsDir: moved }), 'clip_image')).session.release();
    } finally {
      source.close();
    }
  });

  it('is missing for the task if its folder is not writable', async () => {
    const inTheWay = path.join(dir.path, 'file');
    fs.writeFileSync(inTheWay, '');
    const blocked = testEnvironment({ modelsDir: path.join(inTheWay, 'models') });
    await expect(loadModel(blocked, 'dino_image')).rejects.toMatchObject({
      name: 'TaskUnavailable',
      code: 'model_missing',
      message: expect.stringContaining('MODELS_DIR cannot be written'),
    });
  });

  it('names the provider that it runs on, and the remedy if that is not available', async () => {
    const model = await loadModel(env(), 'clip_image');
    expect(model.stamp.execution_provider).toBe('cpu');
    await model.session.release();
    await expect(loadModel(env({ EXECUTION_PROVIDER: 'coreml' }), 'clip_image')).rejects.toMatchObject({
      name: 'TaskUnavailable',
      message: expect.stringMatching(/coreml.*EXECUTION_PROVIDER=cpu/),
    });
    await expect(loadModel(env({ EXECUTION_PROVIDER: 'tpu' }), 'clip_image')).rejects.toMatchObject({
      message: expect.stringContaining('it can be cpu, cuda, coreml, directml'),
    });
  });
});
