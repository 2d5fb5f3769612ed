import fs from 'node:fs';
import path from 'node:path';
import { type ModelManifest, modelManifest } from '@cl-server/contract';
import {
  eventually,
  hasModels,
  makeStandIn,
  modelFile,
  STAND_IN_ROLES,
  type TempDir,
  tempDir,
} from '@cl-server/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { defaultManifest, manifestById } from '../src/catalogue.js';
import { pattern, SelfTestFailed, selfTest } from '../src/self-test.js';
import { floatTensor, ModelSession } from '../src/session.js';
import { imageShape, writeImage } from '../src/tensor.js';
import { loadTokenizer } from '../src/tokenizer.js';
import { cosine } from '../src/vector.js';

const cpu = { provider: 'cpu', threads: 1 } as const;
const full = (role: string, given: Readonly<Record<string, unknown>>): ModelManifest =>
  modelManifest.parse({
    role,
    version: '1',
    file: 'x.onnx',
    size: 1,
    sha256: '0'.repeat(64),
    license: '',
    source: '',
    ...given,
  });

describe('models', () => {
  let dir: TempDir;
  const sessions: ModelSession[] = [];
  const open = (file: string, more = {}): ModelSession => {
    const session = new ModelSession(file, { ...cpu, ...more });
    sessions.push(session);
    return session;
  };
  beforeEach(() => {
    dir = tempDir();
  });
  afterEach(async () => {
    await Promise.all(sessions.splice(0).map((session) => session.release()));
    dir.remove();
  });

  it.each(STAND_IN_ROLES)('stand-in for %s passes its self-test', async (role) => {
    const { file, manifest } = makeStandIn(dir.path, role);
    await selfTest(full(role, manifest), open(file));
  });

  it.runIf(hasModels())('the real face detector gives its measured output', async () => {
    await selfTest(defaultManifest('face_detection'), open(modelFile('face_detection_yunet_2026may.onnx')));
  });

  it('a model with other tensors, another length or a damaged file fails with the reason', async () => {
    const { file, manifest } = makeStandIn(dir.path, 'clip_image');
    const tested = (given: object, of = file) => selfTest(full('clip_image', { ...manifest, ...given }), open(of));
    await expect(tested({ input: 'pixels' })).rejects.toThrow('no input pixels; it has pixel_values');
    await expect(tested({ dimension: 768 })).rejects.toThrow('512 numbers instead of 768');
    await expect(tested({ golden: { output: 'image_embeds', sum: 1e6, tolerance: 1 } })).rejects.toThrow('sums to');
    const broken = path.join(dir.path, 'broken.onnx');
    fs.writeFileSync(broken, fs.readFileSync(file).subarray(0, 1000));
    await expect(tested({}, broken)).rejects.toThrow(SelfTestFailed);
  });

  it('a model that takes one picture at a time fails with advice if its manifest allows batches', async () => {
    const { file, manifest } = makeStandIn(dir.path, 'dino_image');
    await expect(selfTest(full('dino_image', { ...manifest, batch: true }), open(file))).rejects.toThrow(
      /one picture at a time: set "batch: false" in its manifest/,
    );
  });

  it('the self-test returns the length of a vector if the manifest omits it', async () => {
    const { file, manifest } = makeStandIn(dir.path, 'clip_image');
    const short = full('clip_image', { ...manifest, dimension: undefined, input: undefined, output: undefined });
    expect(await selfTest(short, open(file))).toEqual({
      input: 'pixel_values',
      output: 'image_embeds',
      dimension: 512,
    });
  });

  it('a batch gives the same vectors as single pictures, and similar pictures give similar vectors', async () => {
    const { file, manifest } = makeStandIn(dir.path, 'clip_image');
    const rules = full('clip_image', manifest).preprocessing;
    if (rules?.kind !== 'image') throw new Error('unreachable');
    const session = open(file);
    const a = pattern(224, 224);
    const nearA = a.map((byte) => Math.min(255, byte + 3));
    const b = a.map((byte) => 255 - byte);
    const embed = async (...pictures: Uint8Array[]): Promise<Float32Array[]> => {
      const data = new Float32Array(pictures.length * 3 * 224 * 224);
      for (const [index, picture] of pictures.entries()) writeImage(picture, rules, data, index);
      const { image_embeds } = await session.run({
        pixel_values: floatTensor(data, imageShape(rules, pictures.length)),
      });
      return pictures.map((_, index) => image_embeds?.data.slice(index * 512, (index + 1) * 512) ?? new Float32Array());
    };
    const [va, vn, vb] = await embed(a, nearA, b);
    const [alone] = await embed(b);
    expect(cosine(vb as Float32Array, alone as Float32Array)).toBeGreaterThan(0.99999);
    expect(cosine(va as Float32Array, vn as Float32Array)).toBeGreaterThan(0.99);
    expect(cosine(va as Float32Array, vb as Float32Array)).toBeLessThan(0.9);
  });

  it('are unloaded after idle time when memory is short, and loaded again on use', async () => {
    const { file, manifest } = makeStandIn(dir.path, 'dino_image');
    let asked = 0;
    const session = open(file, { idle: 5, memoryShort: () => ++asked > 1 });
    await selfTest(full('dino_image', manifest), session);
    await eventually(() => asked > 1, { what: 'the unloading' });
    await selfTest(full('dino_image', manifest), session);
  });

  it.runIf(hasModels())(
    'the real tokenizer marks both ends and truncates a long text but keeps its end mark',
    async () => {
      expect(manifestById('clip-tokenizer')?.equivalents).toHaveLength(1);
      const tokenizer = await loadTokenizer(modelFile('clip-tokenizer/tokenizer.json'));
      expect(tokenizer.encode('a photo of a cat', 77)).toEqual({
        ids: [49406, 320, 1125, 539, 320, 2368, 49407],
        count: 7,
        truncated: false,
      });
      const long = tokenizer.encode('cat '.repeat(200), 77);
      expect([long.ids.length, long.ids[0], long.ids.at(-1), long.truncated, long.count]).toEqual([
        77,
        49406,
        49407,
        true,
        202,
      ]);
    },
  );
});
