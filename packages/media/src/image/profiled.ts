/** Attaches a colour profile to bare pixels. */
import type { RawPixels } from './heic.js';

const SHORT = 3;
const LONG = 4;
const UNDEFINED = 7;
const CHANNELS = 4;
const HEADER = 8;

/**
 * Puts pixels and their colour profile into one picture (an uncompressed TIFF): libvips accepts no profile with bare
 * pixels and would treat them as sRGB.
 */
export function withProfile({ width, height, data }: RawPixels, profile: Uint8Array): Buffer {
  const bits = HEADER;
  const icc = bits + CHANNELS * 2;
  const pixels = icc + profile.length + (profile.length % 2);
  const directory = pixels + data.length;
  const entries: readonly (readonly [tag: number, type: number, count: number, value: number])[] = [
    [256, LONG, 1, width],
    [257, LONG, 1, height],
    [258, SHORT, CHANNELS, bits],
    [259, SHORT, 1, 1], // not compressed
    [262, SHORT, 1, 2], // RGB
    [273, LONG, 1, pixels],
    [277, SHORT, 1, CHANNELS],
    [278, LONG, 1, height], // all rows in one strip
    [279, LONG, 1, data.length],
    [338, SHORT, 1, 2], // the fourth channel is transparency
    [34675, UNDEFINED, profile.length, icc],
  ];
  const file = Buffer.alloc(directory + 2 + entries.length * 12 + 4);
  file.write('II*\0', 0, 'latin1');
  file.writeUInt32LE(directory, 4);
  for (let channel = 0; channel < CHANNELS; channel++) file.writeUInt16LE(8, bits + channel * 2);
  file.set(profile, icc);
  file.set(data, pixels);
  let at = file.writeUInt16LE(entries.length, directory);
  for (const [tag, type, count, value] of entries) {
    at = file.writeUInt16LE(tag, at);
    at = file.writeUInt16LE(type, at);
    at = file.writeUInt32LE(count, at);
    at = file.writeUInt32LE(value, at); // a SHORT uses the lower half
  }
  return file;
}
