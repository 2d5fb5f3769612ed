/** The fast way to a model's pixels, against a slow and obvious one. */
import type { ImagePreprocessing } from '@cl-server/contract';
import { decodeImage } from '@cl-server/media';
import { testEnvironment } from '@cl-server/task-kit/testing';
import { hasMedia, mediaFile } from '@cl-server/testing';
import { describe, expect, it } from 'vitest';
import { modelPixels } from '../../src/vision/pixels.js';

const rules = (kernel: ImagePreprocessing['kernel'], resize_to: number): ImagePreprocessing => ({
  kind: 'image',
  width: 224,
  height: 224,
  resize: 'shortest_edge',
  resize_to,
  kernel,
  scale: 1 / 255,
  mean: [0.485, 0.456, 0.406],
  std: [0.229, 0.224, 0.225],
  layout: 'nchw',
  colour: 'rgb',
});

const bicubic = (x: number): number => {
  const a = -0.5;
  const t = Math.abs(x);
  if (t < 1) return (a + 2) * t ** 3 - (a + 3) * t ** 2 + 1;
  return t < 2 ? a * (t ** 3 - 5 * t ** 2 + 8 * t - 4) : 0;
};
const triangle = (x: number): number => Math.max(0, 1 - Math.abs(x));
const sinc = (x: number): number => (x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x));
const lanczos = (x: number): number => (Math.abs(x) < 3 ? sinc(x) * sinc(x / 3) : 0);
const KERNELS = { bicubic: [bicubic, 2], bilinear: [triangle, 1], lanczos3: [lanczos, 3] } as const;

/** One axis, every output pixel a weighted mean of what lies under the stretched kernel. */
function resizeRow(
  from: readonly number[],
  to: number,
  [kernel, support]: readonly [(x: number) => number, number],
): number[] {
  const scale = from.length / to;
  const stretch = Math.max(scale, 1);
  return Array.from({ length: to }, (_, i) => {
    const centre = (i + 0.5) * scale;
    let sum = 0;
    let weights = 0;
    for (
      let j = Math.max(0, Math.floor(centre - support * stretch));
      j < Math.min(from.length, centre + support * stretch);
      j++
    ) {
      const weight = kernel((j + 0.5 - centre) / stretch);
      sum += weight * (from[j] as number);
      weights += weight;
    }
    return sum / weights;
  });
}

function reference(
  data: Uint8Array,
  width: number,
  height: number,
  side: number,
  name: keyof typeof KERNELS,
): number[] {
  const scale = side / Math.min(width, height);
  const [w, h] = [Math.round(width * scale), Math.round(height * scale)];
  const planes = [0, 1, 2].map((channel) => {
    const rows = Array.from({ length: height }, (_, y) =>
      resizeRow(
        Array.from({ length: width }, (_, x) => data[(y * width + x) * 3 + channel] as number),
        w,
        KERNELS[name],
      ),
    );
    return Array.from({ length: w }, (_, x) =>
      resizeRow(
        rows.map((row) => row[x] as number),
        h,
        KERNELS[name],
      ),
    );
  });
  const [left, top] = [Math.round((w - 224) / 2), Math.round((h - 224) / 2)];
  const out: number[] = [];
  for (let y = 0; y < 224; y++)
    for (let x = 0; x < 224; x++)
      for (const plane of planes) out.push(Math.min(255, Math.max(0, plane[left + x]?.[top + y] ?? 0)));
  return out;
}

function likeness(a: ArrayLike<number>, b: ArrayLike<number>): number {
  const mean = (v: ArrayLike<number>): number => Array.from(v).reduce((s, x) => s + x, 0) / v.length;
  const [ma, mb] = [mean(a), mean(b)];
  let [dot, aa, bb] = [0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    const [x, y] = [(a[i] as number) - ma, (b[i] as number) - mb];
    dot += x * y;
    aa += x * x;
    bb += y * y;
  }
  return dot / Math.sqrt(aa * bb);
}

describe.runIf(hasMedia())('pixels for a model', () => {
  it.each([
    ['bicubic', 224, 'coffee.png'],
    ['bicubic', 256, 'face_obama_1.jpg'],
    ['bilinear', 224, 'cat.png'],
    ['lanczos3', 224, 'rocket.jpg'],
    ['bicubic', 224, 'orientation_6.jpg'],
  ] as const)(
    'H9, H10: by %s to %d agree with a slow reference on %s (cosine of the centred pixels ≥ 0.999)',
    async (kernel, side, name) => {
      const file = mediaFile(name);
      const full = await decodeImage(file);
      const slow = reference(full.data, full.width, full.height, side, kernel);
      const context = { files: { input: file } as never, env: testEnvironment(), signal: new AbortController().signal };
      const fast = await modelPixels(context, rules(kernel, side));
      expect(fast.length).toBe(slow.length);
      expect(likeness(fast, slow)).toBeGreaterThanOrEqual(0.999);
    },
  );
});
