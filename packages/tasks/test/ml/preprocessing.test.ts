/** Compares the fast way to a model's pixels with a slow and obvious one. */
import type { ImagePreprocessing } from '@cl-server/contract';
import { type DecodedImage, decodeImage } from '@cl-server/media';
import { testEnvironment } from '@cl-server/task-kit/testing';
import { hasMedia, mediaFile } from '@cl-server/testing';
import { describe, expect, it } from 'vitest';
import { modelPixels } from '../../src/vision/pixels.js';

type Rules = Pick<ImagePreprocessing, 'kernel' | 'resize' | 'resize_to'>;
const rules = (some: Rules): ImagePreprocessing => ({
  kind: 'image',
  width: SIDE,
  height: SIDE,
  ...some,
  scale: 1 / 255,
  mean: [0.485, 0.456, 0.406],
  std: [0.229, 0.224, 0.225],
  layout: 'nchw',
  colour: 'rgb',
});

const SIDE = 224;

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

/** Resizes one axis: every output pixel is a weighted mean of the pixels under the stretched kernel. */
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

/** Size to which a picture is scaled before it is cropped to the centre or padded with black. */
function sizeFor({ resize, resize_to: side }: Rules, width: number, height: number): readonly [number, number] {
  if (resize === 'squash') return [SIDE, SIDE];
  const scale = resize === 'fit' ? SIDE / Math.max(width, height) : (side ?? SIDE) / Math.min(width, height);
  return [Math.round(width * scale), Math.round(height * scale)];
}

function reference({ data, width, height }: DecodedImage, some: Rules): number[] {
  const [w, h] = sizeFor(some, width, height);
  const kernel = KERNELS[some.kernel as keyof typeof KERNELS];
  const planes = [0, 1, 2].map((channel) => {
    const rows = Array.from({ length: height }, (_, y) =>
      resizeRow(
        Array.from({ length: width }, (_, x) => data[(y * width + x) * 3 + channel] as number),
        w,
        kernel,
      ),
    );
    return Array.from({ length: w }, (_, x) =>
      resizeRow(
        rows.map((row) => row[x] as number),
        h,
        kernel,
      ),
    );
  });
  const [left, top] = [w, h].map((side) =>
    side < SIDE ? -Math.floor((SIDE - side) / 2) : Math.round((side - SIDE) / 2),
  );
  const out: number[] = [];
  for (let y = 0; y < SIDE; y++)
    for (let x = 0; x < SIDE; x++)
      for (const plane of planes) out.push(Math.min(255, Math.max(0, plane[(left ?? 0) + x]?.[(top ?? 0) + y] ?? 0)));
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
    ['bicubic', 'shortest_edge', 224, 'coffee.png'],
    ['bicubic', 'shortest_edge', 256, 'face_obama_1.jpg'],
    ['bilinear', 'shortest_edge', 224, 'cat.png'],
    ['lanczos3', 'shortest_edge', 224, 'rocket.jpg'],
    ['bicubic', 'shortest_edge', 224, 'orientation_6.jpg'],
    ['bicubic', 'shortest_edge', 224, 'face_obama_1.jpg'],
    ['bicubic', 'shortest_edge', 224, 'face_obama_2.jpg'],
    ['bicubic', 'shortest_edge', 224, 'face_biden_1.jpg'],
    ['bicubic', 'squash', undefined, 'coffee.png'],
    ['bilinear', 'squash', undefined, 'orientation_6.jpg'],
    ['bicubic', 'fit', undefined, 'rocket.jpg'],
    ['lanczos3', 'fit', undefined, 'cat.png'],
  ] as const)(
    'H9, H10: by %s, %s %s, agree with a slow reference on %s (cosine of the centred pixels ≥ 0.999)',
    async (kernel, resize, resize_to, name) => {
      const file = mediaFile(name);
      const some: Rules = { kernel, resize, resize_to };
      const slow = reference(await decodeImage(file), some);
      const context = { files: { input: file } as never, env: testEnvironment(), signal: new AbortController().signal };
      const { pixels: fast } = await modelPixels(context, rules(some));
      expect(fast.length).toBe(slow.length);
      expect(likeness(fast, slow)).toBeGreaterThanOrEqual(0.999);
    },
  );
});
