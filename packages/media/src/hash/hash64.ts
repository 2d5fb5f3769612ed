/**
 * Three 64-bit hashes of 16 hex digits, the first bit first. The order of bits is that of the widely used `imagehash`,
 * so hashes can be compared with its own.
 */
import { lowFrequencies, median } from './dct.js';
import { type GreyImage, shrink } from './grey.js';

function hex(bits: readonly boolean[]): string {
  let text = '';
  for (let i = 0; i < bits.length; i += 4) {
    const nibble = bits.slice(i, i + 4).reduce((value, bit) => value * 2 + Number(bit), 0);
    text += nibble.toString(16);
  }
  return text;
}

/** Average hash: which of 8 × 8 cells are brighter than the mean. */
export function averageHash(grey: GreyImage): string {
  const { data } = shrink(grey, 8, 8);
  const mean = data.reduce((sum, value) => sum + value, 0) / data.length;
  return hex(Array.from(data, (value) => value > mean));
}

/** Difference hash (N. Krawetz): which of 8 × 8 cells are darker than their right neighbour. */
export function differenceHash(grey: GreyImage): string {
  const { data } = shrink(grey, 9, 8);
  const bits: boolean[] = [];
  for (let y = 0; y < 8; y++)
    for (let x = 0; x < 8; x++) bits.push((data[y * 9 + x + 1] ?? 0) > (data[y * 9 + x] ?? 0));
  return hex(bits);
}

/**
 * Perceptual hash (C. Zauner, "Implementation and Benchmarking of Perceptual Image Hash Functions"): compares the 8 × 8
 * lowest frequencies of the 32 × 32 picture, without the mean, with their median.
 */
export function perceptualHash(grey: GreyImage): string {
  const frequencies = lowFrequencies(shrink(grey, 32, 32), 8, 1);
  const middle = median(frequencies);
  return hex(Array.from(frequencies, (value) => value > middle));
}
