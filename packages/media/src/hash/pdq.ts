/**
 * The PDQ hash of 256 bits, after "The TMK+PDQF Video-Hashing Algorithm and the PDQ Image-Hashing Algorithm" (Facebook,
 * 2019) and its reference implementation in ThreatExchange.
 */
import { lowFrequencies, median } from './dct.js';
import type { GreyImage } from './grey.js';

export interface PdqHash {
  /** 64 hex digits in the order of the reference implementation. */
  readonly hash: string;
  /** 0 to 100; below 50 the picture has too little structure. */
  readonly quality: number;
}

const SIDE = 64;
const BITS = 16;

/** Mean over a sliding window, which is shorter at the border. */
function blurLine(
  from: Float64Array,
  to: Float64Array,
  start: number,
  step: number,
  length: number,
  window: number,
): void {
  const ahead = (window + 2) >> 1;
  let sum = 0;
  let count = 0;
  for (let i = 0; i < ahead - 1; i++) {
    sum += from[start + i * step] ?? 0;
    count++;
  }
  for (let i = 0; i < length; i++) {
    const entering = i + ahead - 1;
    const leaving = entering - window;
    if (entering < length) {
      sum += from[start + entering * step] ?? 0;
      count++;
    }
    if (leaving >= 0) {
      sum -= from[start + leaving * step] ?? 0;
      count--;
    }
    to[start + i * step] = sum / count;
  }
}

/** Two box blurs along each axis approximate a tent filter; then the pixels of the 64 × 64 picture are picked. */
function decimate({ width, height, data }: GreyImage): GreyImage {
  const windowOf = (size: number): number => Math.floor((size + 2 * SIDE - 1) / (2 * SIDE));
  let current = Float64Array.from(data);
  let other = new Float64Array(data.length);
  for (let pass = 0; pass < 2; pass++) {
    for (let y = 0; y < height; y++) blurLine(current, other, y * width, 1, width, windowOf(width));
    [current, other] = [other, current];
    for (let x = 0; x < width; x++) blurLine(current, other, x, width, height, windowOf(height));
    [current, other] = [other, current];
  }
  const out = new Float64Array(SIDE * SIDE);
  for (let y = 0; y < SIDE; y++)
    for (let x = 0; x < SIDE; x++) {
      const row = Math.floor(((y + 0.5) * height) / SIDE);
      out[y * SIDE + x] = current[row * width + Math.floor(((x + 0.5) * width) / SIDE)] ?? 0;
    }
  return { width: SIDE, height: SIDE, data: out };
}

function qualityOf({ data }: GreyImage): number {
  const step = (a: number, b: number): number => Math.abs(Math.trunc((((data[a] ?? 0) - (data[b] ?? 0)) * 100) / 255));
  let gradients = 0;
  for (let y = 0; y < SIDE; y++)
    for (let x = 0; x < SIDE; x++) {
      const at = y * SIDE + x;
      if (y + 1 < SIDE) gradients += step(at, at + SIDE);
      if (x + 1 < SIDE) gradients += step(at, at + 1);
    }
  return Math.min(100, Math.trunc(gradients / 90));
}

/** @param grey at least 64 × 64, best 512 × 512 */
export function pdqHash(grey: GreyImage): PdqHash {
  const small = decimate(grey);
  const frequencies = lowFrequencies(small, BITS, 1);
  const middle = median(frequencies);
  const words = new Uint16Array(BITS);
  for (const [at, value] of frequencies.entries())
    if (value > middle) words[at >> 4] = (words[at >> 4] ?? 0) | (1 << (at & 15));
  const hash = Array.from(words, (word) => word.toString(16).padStart(4, '0'))
    .reverse()
    .join('');
  return { hash, quality: qualityOf(small) };
}
