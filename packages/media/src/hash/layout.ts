/**
 * Features that distinguish pictures with equal perceptual hashes: colours, and the share of the picture in one tone.
 */
import type { GreyImage } from './grey.js';

/** Cells along each side. */
const CELLS = 8;
/** Luma, blue and red difference (ITU-R BT.601) of each cell: 192 bytes. */
const CHANNELS = 3;

/** Only every fourth pixel across and down is read: means of 64 × 64 pixels need no more. */
const STEP = 4;

const byte = (value: number): string =>
  Math.min(255, Math.max(0, Math.round(value)))
    .toString(16)
    .padStart(2, '0');

/** Mean colours of 8 × 8 cells, as hex digits, row by row. @param rgb `side` × `side` pixels, three bytes each */
export function colourLayout(rgb: Uint8Array, side: number): string {
  const sums = new Float64Array(CELLS * CELLS * CHANNELS);
  const cell = side / CELLS;
  for (let y = 0; y < side; y += STEP)
    for (let x = 0; x < side; x += STEP) {
      const at = (y * side + x) * 3;
      const to = (Math.floor(y / cell) * CELLS + Math.floor(x / cell)) * CHANNELS;
      for (let channel = 0; channel < CHANNELS; channel++)
        sums[to + channel] = (sums[to + channel] ?? 0) + (rgb[at + channel] ?? 0);
    }
  let text = '';
  for (let at = 0; at < sums.length; at += CHANNELS) {
    const [r, g, b] = [0, 1, 2].map((channel) => (sums[at + channel] ?? 0) / (cell / STEP) ** 2) as [
      number,
      number,
      number,
    ];
    const luma = 0.299 * r + 0.587 * g + 0.114 * b;
    text += byte(luma) + byte(128 + (b - luma) * 0.564) + byte(128 + (r - luma) * 0.713);
  }
  return text;
}

/** Number of the 256 levels of brightness that count as one tone. */
const TONE_WIDTH = 24;

/** Share of pixels in the most frequent tone, 0 to 1: high in documents, drawings and dark frames. */
export function flatShare({ data }: GreyImage): number {
  const counts = new Float64Array(256);
  // Values are 0 to 255; every second one is enough for a share.
  for (let i = 0; i < data.length; i += 2) {
    const level = ((data[i] ?? 0) + 0.5) | 0;
    counts[level] = (counts[level] ?? 0) + 1;
  }
  let most = 0;
  let sum = 0;
  for (let level = 0; level < 256; level++) {
    sum += (counts[level] ?? 0) - (counts[level - TONE_WIDTH] ?? 0);
    most = Math.max(most, sum);
  }
  return Number((most / Math.ceil(data.length / 2)).toFixed(4));
}
