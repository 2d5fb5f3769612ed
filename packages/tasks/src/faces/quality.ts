/** Rates how well a face is suited to recognize its person: by size, sharpness and pose. */
import type { FaceQuality } from '@cl-server/contract';
import { CROP } from './align.js';
import type { RawFace } from './yunet.js';

const degrees = (radians: number): number => (radians * 180) / Math.PI;
const clamp01 = (value: number): number => Math.min(1, Math.max(0, value));
/** Rounds a number. The result is never minus zero, which JSON does not have. */
const round = (value: number, digits: number): number => Number(value.toFixed(digits)) + 0;

/** Variance of the Laplacian of an aligned crop from a sharp photo; above it, a face counts as fully sharp. */
const SHARP_VARIANCE = 300;
/** Box sides in pixels between which the size factor grows from 0 to 1. */
const MIN_SIZE = 20;
const FULL_SIZE = 112;

/**
 * Sharpness of a crop from 0 to 1: the variance of its Laplacian (Pech-Pacheco et al., 2000), measured in the middle
 * part, which contains the face.
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
 * Estimates angles from the five points alone, so they are rough: they follow from the position of the nose between
 * eyes and mouth, in a coordinate system aligned with the eyes. A frontal face has its nose in the middle across and
 * about 0.55 of the way down.
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
  const big = clamp01((size - MIN_SIZE) / (FULL_SIZE - MIN_SIZE));
  const frontal =
    Math.cos((Math.min(Math.abs(yaw), 90) * Math.PI) / 180) * Math.cos((Math.min(Math.abs(pitch), 90) * Math.PI) / 180);
  return {
    size: round(size, 1),
    sharpness: round(sharp, 3),
    yaw: round(yaw, 1),
    pitch: round(pitch, 1),
    roll: round(roll, 1),
    // The geometric mean prevents that good factors compensate for one bad factor.
    score: round(clamp01(Math.cbrt(Math.max(big, 0.02) * Math.max(sharp, 0.02) * Math.max(frontal, 0.02))), 3),
  };
}
