import fs from 'node:fs';
import path from 'node:path';
import { sharp } from '@cl-server/media';
import { cosine, decodeNpy } from '@cl-server/models';
import { runTask } from '@cl-server/task-kit/testing';
import { hasMedia, hasModels, installStandIns, mediaFile, modelFile, type TempDir, tempDir } from '@cl-server/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import clip from '../../src/clip_embedding/task.js';
import clipText from '../../src/clip_text_embedding/task.js';
import dino from '../../src/dino_embedding/task.js';

let dir: TempDir;
const env = () => ({ modelsDir: dir.path, settings: { MODELS_DOWNLOAD: 'never' } });

beforeAll(() => {
  dir = tempDir();
  installStandIns(dir.path);
  if (hasModels()) fs.copyFileSync(modelFile('clip-tokenizer/tokenizer.json'), path.join(dir.path, 'tokenizer.json'));
});
afterAll(() => dir.remove());

const photo = (width = 400, height = 300) =>
  sharp({
    create: { width, height, channels: 3, background: '#4080c0', noise: { type: 'gaussian', mean: 120, sigma: 40 } },
  });

const vectorOf = async (task: typeof clip | typeof dino, file: string | { name: string; content: Uint8Array }) => {
  using run = await runTask(task, { file, env: env() });
  return { output: run.output, vector: decodeNpy(run.read(run.params.output_path as string)) };
};

describe('clip_embedding and dino_embedding', () => {
  it.each([
    [clip, 512, 'stand-in-clip-image'],
    [dino, 384, 'stand-in-dino-image'],
  ] as const)('return a unit vector and the model that made it (%#)', async (task, dimension, id) => {
    const { output, vector } = await vectorOf(task, { name: 'a.png', content: await photo().png().toBuffer() });
    expect(output).toMatchObject({
      embedding_dim: dimension,
      normalized: true,
      model_id: id,
      execution_provider: 'cpu',
    });
    expect(vector.length).toBe(dimension);
    expect(Math.hypot(...vector)).toBeCloseTo(1, 4);
  });

  it('keep the length on request', async () => {
    using run = await runTask(clip, {
      file: { name: 'a.png', content: await photo().png().toBuffer() },
      params: { normalize: false },
      env: env(),
    });
    expect(run.output.normalized).toBe(false);
    expect(Math.abs(Math.hypot(...decodeNpy(run.read('output/clip_embedding.npy'))) - 1)).toBeGreaterThan(0.01);
  });

  it.runIf(hasMedia())('use the upright photo for every stored orientation', async () => {
    const { vector } = await vectorOf(clip, mediaFile('orientation_1.jpg'));
    for (const n of [3, 6, 8]) {
      const turned = await vectorOf(clip, mediaFile(`orientation_${n}.jpg`));
      expect(cosine(vector, turned.vector)).toBeGreaterThan(0.99);
    }
  });

  it.runIf(hasMedia())('accept HEIC, AVIF and PNG photos', async () => {
    for (const name of ['example.heic', 'example.avif', 'cat.png'])
      expect((await vectorOf(clip, mediaFile(name))).output.embedding_dim).toBe(512);
  });

  it('accept grey, grey with alpha, 16-bit, CMYK and transparent pictures, with white behind transparency', async () => {
    const base = await photo().png().toBuffer();
    const white = await sharp({ create: { width: 400, height: 300, channels: 3, background: 'white' } })
      .png()
      .toBuffer();
    const clear = await sharp({ create: { width: 400, height: 300, channels: 4, background: '#ff000000' } })
      .png()
      .toBuffer();
    const variants = {
      grey: await sharp(base).greyscale().png().toBuffer(),
      greyAlpha: await sharp(base).greyscale().ensureAlpha(0.5).png().toBuffer(),
      deep: await sharp(base).toColourspace('rgb16').png().toBuffer(),
      cmyk: await sharp(base).toColourspace('cmyk').jpeg().toBuffer(),
    };
    for (const [name, content] of Object.entries(variants))
      expect((await vectorOf(clip, { name: `${name}.img`, content })).vector.every(Number.isFinite), name).toBe(true);
    const [a, b] = [
      await vectorOf(clip, { name: 'a.png', content: white }),
      await vectorOf(clip, { name: 'b.png', content: clear }),
    ];
    expect(cosine(a.vector, b.vector)).toBeGreaterThan(0.9999);
  });

  it('rank similar pictures before others', async () => {
    const gradient = (a: string, b: string) =>
      sharp(
        Buffer.from(
          Array.from(
            { length: 64 * 64 * 3 },
            (_, i) => (Math.floor(i / 3) % 64) * (a === 'x' ? 4 : 1) + (b === 'y' ? Math.floor(i / 192) * 3 : 0),
          ),
        ),
        {
          raw: { width: 64, height: 64, channels: 3 },
        },
      ).resize(300, 300);
    const first = await gradient('x', 'n').png().toBuffer();
    const small = await sharp(first).resize(120).jpeg({ quality: 60 }).toBuffer();
    const other = await gradient('n', 'y').negate().png().toBuffer();
    const [a, near, far] = await Promise.all(
      [first, small, other].map(async (content, i) => (await vectorOf(dino, { name: `${i}.img`, content })).vector),
    );
    expect(cosine(a as Float32Array, near as Float32Array)).toBeGreaterThan(
      cosine(a as Float32Array, far as Float32Array) + 0.05,
    );
  });

  it.each([
    ['1×1', () => photo(1, 1).png().toBuffer(), 'invalid_input', 'at least 8'],
    ['20,000×1', () => photo(20_000, 1).png().toBuffer(), 'invalid_input', 'at least 8'],
    ['20,000×20', () => photo(20_000, 20).png().toBuffer(), 'invalid_input', '50 times as long'],
    ['a text', async () => Buffer.from('hello'), 'unsupported_media', 'text/plain'],
  ] as const)('refuse %s with a reason', async (_name, make, code, words) => {
    const failed = runTask(clip, { file: { name: 'a.jpg', content: await make() }, env: env() });
    await expect(failed).rejects.toMatchObject({ code, message: expect.stringContaining(words) });
  });

  it.runIf(hasMedia())('refuse a video and a truncated photo with a reason', async () => {
    for (const name of ['video_plot.mp4', 'bad_truncated.jpg'])
      await expect(runTask(clip, { file: mediaFile(name), env: env() })).rejects.toMatchObject({
        code: expect.stringMatching(/unsupported_media|invalid_input/),
      });
  });

  it('name a missing file, its hash and where to put it', async () => {
    using empty = tempDir();
    const failed = runTask(dino, {
      file: { name: 'a.png', content: await photo().png().toBuffer() },
      env: { modelsDir: empty.path, settings: { MODELS_DOWNLOAD: 'never' } },
    });
    await expect(failed).rejects.toMatchObject({
      code: 'model_missing',
      message: expect.stringMatching(/dinov2_vits14\.onnx.*4df36ef0.*MODELS_DIR/),
    });
  });

  it('become unavailable with the reason if the model file is damaged or a different model', async () => {
    using broken = tempDir();
    installStandIns(broken.path, ['dino_image']);
    const choices = JSON.parse(fs.readFileSync(path.join(broken.path, 'models.json'), 'utf8'));
    choices.roles.dino_image.manifest.input = 'pixels';
    fs.writeFileSync(path.join(broken.path, 'models.json'), JSON.stringify(choices));
    const content = await photo().png().toBuffer();
    const run = () =>
      runTask(dino, { file: { name: 'a.png', content }, env: { modelsDir: broken.path, settings: {} } });
    await expect(run()).rejects.toMatchObject({
      code: 'model_unusable',
      message: expect.stringContaining('no input pixels'),
    });
    fs.appendFileSync(choices.roles.dino_image.path, 'x');
    await expect(run()).rejects.toMatchObject({ code: 'model_missing' });
  });

  it('give the same results in a batch, in which a bad picture does not affect the others', async () => {
    const { clipEmbedding } = await import('../../src/clip_embedding/run.js');
    const { createTaskContext } = await import('@cl-server/task-kit');
    const { testEnvironment } = await import('@cl-server/task-kit/testing');
    using folder = tempDir();
    const environment = testEnvironment(env());
    const module = clipEmbedding();
    await module.setup?.(environment);
    const context = (name: string, content: Uint8Array) => {
      const input = path.join(folder.path, name);
      fs.writeFileSync(input, content);
      return createTaskContext({
        jobId: name,
        attempt: 1,
        params: { normalize: true, output_path: `${name}.npy` },
        input,
        results: folder.path,
        scratch: folder.path,
        signal: new AbortController().signal,
        logger: environment.logger,
        env: environment,
        onProgress: () => undefined,
      }) as unknown as Parameters<typeof module.run>[0];
    };
    const pictures = await Promise.all(
      [0, 1, 2].map((n) =>
        photo(300 + n * 20, 200)
          .png()
          .toBuffer(),
      ),
    );
    const results = await module.runBatch?.([
      context('a', pictures[0] as Buffer),
      context('bad', Buffer.from('no picture')),
      context('c', pictures[2] as Buffer),
    ]);
    expect(results?.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    await module.run(context('alone', pictures[2] as Buffer));
    const read = (name: string) => decodeNpy(fs.readFileSync(path.join(folder.path, `${name}.npy`)));
    expect(cosine(read('c'), read('alone'))).toBeGreaterThan(0.99999);
    await module.teardown?.();
  });
});

describe.runIf(hasModels())('clip_text_embedding', () => {
  it('converts a text to a vector, equal for equal texts, and reports whether the text was truncated', async () => {
    const embed = async (text: string) => {
      using run = await runTask(clipText, { params: { text }, env: env() });
      return run.output;
    };
    const cat = await embed('a photo of a cat');
    expect(cat).toMatchObject({ embedding_dim: 512, tokens: 7, truncated: false, model_id: 'stand-in-clip-text' });
    expect((await embed('a photo of a cat')).embedding).toEqual(cat.embedding);
    expect((await embed('a red car')).embedding).not.toEqual(cat.embedding);
    expect(await embed('cat '.repeat(200))).toMatchObject({ tokens: 202, truncated: true });
  });
});
