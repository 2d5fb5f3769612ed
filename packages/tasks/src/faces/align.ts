/**
 * Aligns faces. A least-squares similarity transform (rotation, scale, shift; Umeyama, 1991, in two dimensions) maps a
 * face's five points to the template of 112×112 crops; then the crop is sampled.
 */
import type { Pixels } from './yunet.js';

type Point = readonly [number, number];

export const CROP = 112;

/** Right eye, left eye, nose, right and left corner of the mouth in a 112×112 crop. */
export const TEMPLATE: readonly Point[] = [
  [38.2946, 51.6963],
  [73.5318, 51.5014],
  [56.0252, 71.7366],
  [41.5493, 92.3655],
  [70.7299, 92.2041],
];

/** The transform x' = a·x − b·y + tx, y' = b·x + a·y + ty. */
export interface Similarity {
  readonly a: number;
  readonly b: number;
  readonly tx: number;
  readonly ty: number;
}

const centre = (points: readonly Point[]): Point => [
  points.reduce((sum, [x]) => sum + x, 0) / points.length,
  points.reduce((sum, [, y]) => sum + y, 0) / points.length,
];

/** The transform from points of a picture to the template; undefined if the points coincide. */
export function similarity(points: readonly Point[], template: readonly Point[] = TEMPLATE): Similarity | undefined {
  const [fx, fy] = centre(points);
  const [gx, gy] = centre(template);
  let dot = 0;
  let cross = 0;
  let spread = 0;
  for (const [index, [px, py]] of points.entries()) {
    const [qx, qy] = template[index] ?? [0, 0];
    const [x, y, u, v] = [px - fx, py - fy, qx - gx, qy - gy];
    dot += x * u + y * v;
    cross += x * v - y * u;
    spread += x * x + y * y;
  }
  if (!(spread > 1e-6)) return undefined;
  const a = dot / spread;
  const b = cross / spread;
  if (!(a * a + b * b > 1e-12)) return undefined;
  return { a, b, tx: gx - (a * fx - b * fy), ty: gy - (b * fx + a * fy) };
}

/** Number of template pixels for one pixel of the picture. */
export const scaleOf = ({ a, b }: Similarity): number => Math.hypot(a, b);

/** Samples an aligned crop with interpolation; parts outside the picture are black. */
export function warp({ data, width, height }: Pixels, { a, b, tx, ty }: Similarity, size = CROP): Uint8Array {
  const crop = new Uint8Array(size * size * 3);
  const scale = a * a + b * b;
  for (let v = 0; v < size; v++)
    for (let u = 0; u < size; u++) {
      const x = (a * (u - tx) + b * (v - ty)) / scale;
      const y = (a * (v - ty) - b * (u - tx)) / scale;
      const left = Math.floor(x);
      const top = Math.floor(y);
      if (left < -1 || top < -1 || left >= width || top >= height) continue;
      const wx = x - left;
      const wy = y - top;
      for (let channel = 0; channel < 3; channel++) {
        let value = 0;
        for (const [dx, dy, weight] of [
          [0, 0, (1 - wx) * (1 - wy)],
          [1, 0, wx * (1 - wy)],
          [0, 1, (1 - wx) * wy],
          [1, 1, wx * wy],
        ] as const) {
          const [px, py] = [left + dx, top + dy];
          if (px >= 0 && py >= 0 && px < width && py < height)
            value += weight * (data[(py * width + px) * 3 + channel] as number);
        }
        crop[(v * size + u) * 3 + channel] = Math.round(value);
      }
    }
  return crop;
}
