/** Writes Windows bitmaps, because libvips does not. */
import { invalidMedia } from '../errors.js';

const FILE_HEADER = 14;
/** BITMAPV4HEADER: the smallest header that describes alpha. */
const V4_HEADER = 108;
const INFO_HEADER = 40;
const BI_RGB = 0;
const BI_BITFIELDS = 3;
/** 72 dots per inch. */
const DOTS_PER_METRE = 2835;
const MAX_FILE = 2 ** 31 - 1;

/**
 * Writes a Windows bitmap, bottom row first: 24-bit for RGB, 32-bit with an alpha mask for RGBA.
 * @param data rows from the top, `channels` bytes a pixel
 */
export function encodeBmp(data: Uint8Array, width: number, height: number, channels: 3 | 4): Buffer {
  const info = channels === 4 ? V4_HEADER : INFO_HEADER;
  const offset = FILE_HEADER + info;
  const stride = Math.ceil((width * channels) / 4) * 4;
  const size = offset + stride * height;
  if (size > MAX_FILE) throw invalidMedia('The image is too large for the BMP format');
  const file = Buffer.alloc(size);
  file.write('BM', 0, 'latin1');
  file.writeUInt32LE(size, 2);
  file.writeUInt32LE(offset, 10);
  file.writeUInt32LE(info, 14);
  file.writeInt32LE(width, 18);
  file.writeInt32LE(height, 22);
  file.writeUInt16LE(1, 26);
  file.writeUInt16LE(channels * 8, 28);
  file.writeUInt32LE(channels === 4 ? BI_BITFIELDS : BI_RGB, 30);
  file.writeUInt32LE(stride * height, 34);
  file.writeInt32LE(DOTS_PER_METRE, 38);
  file.writeInt32LE(DOTS_PER_METRE, 42);
  if (channels === 4) {
    for (const [at, mask] of [0x00ff0000, 0x0000ff00, 0x000000ff, 0xff000000].entries())
      file.writeUInt32LE(mask, 54 + at * 4);
    file.write('BGRs', 70, 'latin1'); // LCS_sRGB, little-endian
  }
  for (let y = 0; y < height; y++)
    writeRow(file, offset + (height - 1 - y) * stride, data, y * width * channels, width, channels);
  return file;
}

function writeRow(file: Buffer, at: number, data: Uint8Array, from: number, width: number, channels: 3 | 4): void {
  for (let x = 0; x < width; x++) {
    const to = at + x * channels;
    const source = from + x * channels;
    file[to] = data[source + 2] ?? 0;
    file[to + 1] = data[source + 1] ?? 0;
    file[to + 2] = data[source] ?? 0;
    if (channels === 4) file[to + 3] = data[source + 3] ?? 255;
  }
}
