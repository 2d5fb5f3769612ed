/** The discrete cosine transform, on which two perceptual hashes are based. */
import type { GreyImage } from './grey.js';

/**
 * Computes the low frequencies of the two-dimensional DCT-II of a square picture.
 * @param first index of the lowest frequency: 0 includes the mean, 1 does not
 * @returns `count` × `count` coefficients, rows of vertical frequency
 */
export function lowFrequencies({ width: n, data }: GreyImage, count: number, first: number): Float64Array {
  const basis = new Float64Array(count * n);
  for (let f = 0; f < count; f++)
    for (let x = 0; x < n; x++)
      basis[f * n + x] = Math.sqrt(2 / n) * Math.cos((Math.PI / (2 * n)) * (f + first) * (2 * x + 1));
  const columns = new Float64Array(count * n);
  for (let f = 0; f < count; f++)
    for (let x = 0; x < n; x++) {
      let sum = 0;
      for (let y = 0; y < n; y++) sum += (basis[f * n + y] ?? 0) * (data[y * n + x] ?? 0);
      columns[f * n + x] = sum;
    }
  const out = new Float64Array(count * count);
  for (let v = 0; v < count; v++)
    for (let h = 0; h < count; h++) {
      let sum = 0;
      for (let x = 0; x < n; x++) sum += (columns[v * n + x] ?? 0) * (basis[h * n + x] ?? 0);
      out[v * count + h] = sum;
    }
  return out;
}

export function median(values: Float64Array): number {
  const sorted = Float64Array.from(values).sort();
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? 0;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? 0) + upper) / 2;
}
