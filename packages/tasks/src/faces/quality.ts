/** How good a face is for recognising its person: size, sharpness, pose. */
import type { FaceQuality } from '@cl-server/contract';
import { CROP } from './align.js';
import type { RawFace } from './yunet.js';

const degrees = (radians: number): number => (radians * 180) / Math.PI;
const clamp01 = (value: number): number => Math.min(1, Math.max(0, value));
/** Never minus zero, which JSON does not know. */
const round = (value: number, digits: number): number => Number(value.toFixed(digits)) + 0;

/** Variance of the Laplacian that an aligned crop of a sharp photo reaches; above it a face is simply sharp. */
const SHARP_VARIANCE = 300;
/** Box sides in pixels between which size goes from worthless to as good as any. */
const SMALL = 20;
const LARGE = 112;

/**
 * Sharpness of a crop from 0 to 1: the variance of its Laplacian (Pech-Pacheco et al., 2000), of the middle part, where
 * the face is.
 */
export function sharpness(crop: Uint8Array, size = CROP): number {
  const grey = (x: number, y: number): number => {
    const at = (y * size + x) * 3;
    return 0.299 * (crop[at] ?? 0) + 0.587 * (crop[at + 1] ?? 0) + 0.114 * (crop[at + 2] ?? 0);
  };
  const from = Math.floor(size / 6);
  const to = size - from;
  let sum = 0;
  let squares = 0;
  let count = 0;
  for (let y = from; y < to; y++)
    for (let x = from; x < to; x++) {
      const value = grey(x - 1, y) + grey(x + 1, y) + grey(x, y - 1) + grey(x, y + 1) - 4 * grey(x, y);
      sum += value;
      squares += value * value;
      count++;
    }
  return clamp01((squares / count - (sum / count) ** 2) / SHARP_VARIANCE);
}

/**
 * Angles from the five points alone, so rough: where the nose lies between eyes and mouth in a frame turned with the eyes.
 * A frontal face has its nose in the middle across and about 0.55 of the way down.
 */
export function pose(points: RawFace['points']): { yaw: number; pitch: number; roll: number } {
  const [right, left, nose, mouthRight, mouthLeft] = points as [
    readonly [number, number],
    readonly [number, number],
    readonly [number, number],
    readonly [number, number],
    readonly [number, number],
  ];
  const roll = Math.atan2(left[1] - right[1], left[0] - right[0]);
  const [cos, sin] = [Math.cos(-roll), Math.sin(-roll)];
  const turned = ([x, y]: readonly [number, number]): [number, number] => [x * cos - y * sin, x * sin + y * cos];
  const [r, l, n, mr, ml] = [right, left, nose, mouthRight, mouthLeft].map(turned) as [
    [number, number],
    [number, number],
    [number, number],
    [number, number],
    [number, number],
  ];
  const eyes = Math.max(Math.abs(l[0] - r[0]), 1e-6);
  const middle = (r[0] + l[0] + mr[0] + ml[0]) / 4;
  const eyeLine = (r[1] + l[1]) / 2;
  const mouthLine = (mr[1] + ml[1]) / 2;
  const down = (n[1] - eyeLine) / Math.max(Math.abs(mouthLine - eyeLine), 1e-6);
  const angle = (sine: number): number => degrees(Math.asin(Math.min(1, Math.max(-1, sine))));
  return { yaw: angle(((n[0] - middle) / eyes) * 1.5), pitch: angle((down - 0.55) * 2), roll: degrees(roll) };
}

export function quality(face: RawFace, crop: Uint8Array | undefined): FaceQuality {
  const size = Math.min(face.width, face.height);
  const { yaw, pitch, roll } = pose(face.points);
  const sharp = crop ? sharpness(crop) : 0;
  const big = clamp01((size - SMALL) / (LARGE - SMALL));
  const frontal =
    Math.cos((Math.min(Math.abs(yaw), 90) * Math.PI) / 180) * Math.cos((Math.min(Math.abs(pitch), 90) * Math.PI) / 180);
  return {
    size: round(size, 1),
    sharpness: round(sharp, 3),
    yaw: round(yaw, 1),
    pitch: round(pitch, 1),
    roll: round(roll, 1),
    // A geometric mean: one bad factor must not be bought back by the others.
    score: round(clamp01(Math.cbrt(Math.max(big, 0.02) * Math.max(sharp, 0.02) * Math.max(frontal, 0.02))), 3),
  };
}
