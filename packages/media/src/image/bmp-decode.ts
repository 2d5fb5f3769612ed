/** Windows and OS/2 bitmaps: 1, 4, 8, 16, 24 and 32 bits a pixel, palettes, bit fields and run lengths. */
import { invalidMedia, unsupportedMediaKind } from '../errors.js';
import type { RawPixels } from './heic.js';
import type { Size } from './size.js';

const FILE_HEADER = 14;
const CORE_HEADER = 12;
const INFO_HEADER = 40;
const V2_HEADER = 52;
const V3_HEADER = 56;
/** So many bytes hold every header there is, with its palette. */
export const BMP_HEAD = 2048;

const RGB = 0;
const RLE8 = 1;
const RLE4 = 2;
const BITFIELDS = 3;
const ALPHA_BITFIELDS = 6;

export interface BmpHeader extends Size {
  readonly bits: number;
  readonly hasAlpha: boolean;
  /** Rows run from the top; the usual order is from the bottom. */
  readonly topDown: boolean;
  readonly compression: number;
  /** Where the pixels begin. */
  readonly offset: number;
  /** Red, green, blue, alpha; 0 for a channel that is not stored. */
  readonly masks: readonly number[];
  /** Blue, green, red, one or no byte more, for each colour. */
  readonly palette: { readonly at: number; readonly entry: 3 | 4; readonly count: number };
}

function masksOf(head: Buffer, info: number, bits: number, compression: number): readonly number[] {
  if (compression === BITFIELDS || compression === ALPHA_BITFIELDS) {
    const withAlpha = info >= V3_HEADER || compression === ALPHA_BITFIELDS;
    const at = FILE_HEADER + INFO_HEADER;
    const masks = [0, 4, 8].map((more) => head.readUInt32LE(at + more));
    return [...masks, withAlpha ? head.readUInt32LE(at + 12) : 0];
  }
  // Without masks the fourth byte of 32 bits means nothing.
  return bits === 16 ? [0x7c00, 0x03e0, 0x001f, 0] : [0xff0000, 0x00ff00, 0x0000ff, 0];
}

/**
 * @param head the file's first bytes, BMP_HEAD of them where there are so many
 * @throws MediaError
 */
export function readBmpHeader(head: Buffer): BmpHeader {
  if (head.length < FILE_HEADER + CORE_HEADER || head.toString('latin1', 0, 2) !== 'BM')
    throw invalidMedia('The image cannot be read: it is no bitmap');
  const info = head.readUInt32LE(14);
  const core = info === CORE_HEADER;
  if (!core && (info < INFO_HEADER || head.length < FILE_HEADER + info))
    throw invalidMedia('The image cannot be read: its header is damaged');
  const high = core ? head.readUInt16LE(20) : head.readInt32LE(22);
  const width = core ? head.readUInt16LE(18) : head.readInt32LE(18);
  const bits = head.readUInt16LE(core ? 24 : 28);
  const compression = core ? RGB : head.readUInt32LE(30);
  const fields = compression === BITFIELDS || compression === ALPHA_BITFIELDS;
  const known =
    (compression === RGB && [1, 4, 8, 16, 24, 32].includes(bits)) ||
    (compression === RLE8 && bits === 8) ||
    (compression === RLE4 && bits === 4) ||
    (fields && (bits === 16 || bits === 32));
  if (!known) throw unsupportedMediaKind('This kind of bitmap cannot be read; send it as PNG');
  if (width <= 0 || high === 0 || (fields && head.length < FILE_HEADER + V3_HEADER))
    throw invalidMedia('The image cannot be read: its header is damaged');
  const masks = masksOf(head, info, bits, compression);
  const outside = info < V2_HEADER ? (compression === BITFIELDS ? 12 : compression === ALPHA_BITFIELDS ? 16 : 0) : 0;
  const colours = core ? 0 : head.readUInt32LE(46);
  const most = bits <= 8 ? 2 ** bits : 0;
  return {
    width,
    height: Math.abs(high),
    bits,
    hasAlpha: masks[3] !== 0,
    topDown: high < 0,
    compression,
    offset: head.readUInt32LE(10),
    masks,
    palette: { at: FILE_HEADER + info + outside, entry: core ? 3 : 4, count: Math.min(colours || most, most) },
  };
}

/** How a channel is taken out of a pixel and brought to 8 bits. */
function channel(mask: number): (pixel: number) => number {
  if (mask === 0) return () => 255;
  const shift = 31 - Math.clz32(mask & -mask);
  const most = mask >>> shift;
  if (most === 255) return (pixel) => (pixel & mask) >>> shift;
  return (pixel) => Math.round((((pixel & mask) >>> shift) * 255) / most);
}

type Put = (x: number, y: number, red: number, green: number, blue: number, alpha: number) => void;

function readDirect(file: Buffer, { width, height, bits, offset, masks }: BmpHeader, put: Put): void {
  const bytes = bits / 8;
  const stride = Math.ceil((width * bytes) / 4) * 4;
  const [red, green, blue, alpha] = masks.map(channel);
  if (!red || !green || !blue || !alpha) throw new Error('a bitmap has four channels');
  for (let y = 0; y < height; y++)
    for (let x = 0, at = offset + y * stride; x < width; x++, at += bytes) {
      if (bytes === 3) put(x, y, file[at + 2] ?? 0, file[at + 1] ?? 0, file[at] ?? 0, 255);
      else {
        const pixel = bytes === 2 ? file.readUInt16LE(at) : file.readUInt32LE(at);
        put(x, y, red(pixel), green(pixel), blue(pixel), alpha(pixel));
      }
    }
}

function readIndices(
  file: Buffer,
  { width, height, bits, offset }: BmpHeader,
  put: (x: number, y: number, index: number) => void,
) {
  const stride = Math.ceil((width * bits) / 32) * 4;
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) {
      const bit = x * bits;
      const byte = file[offset + y * stride + (bit >> 3)] ?? 0;
      put(x, y, (byte >> (8 - bits - (bit & 7))) & (2 ** bits - 1));
    }
}

/** Run lengths: `n v` is n pixels of v; `0 0` ends a row, `0 1` the picture, `0 2` moves on, `0 n` begins n stored ones. */
function readRuns(
  file: Buffer,
  { bits, height, offset }: BmpHeader,
  put: (x: number, y: number, index: number) => void,
) {
  const nibble = (byte: number, i: number): number => (bits === 8 ? byte : i % 2 === 0 ? byte >> 4 : byte & 15);
  let [at, x, y] = [offset, 0, 0];
  while (y < height && at + 1 < file.length) {
    const [count = 0, value = 0] = file.subarray(at, at + 2);
    at += 2;
    if (count > 0) for (let i = 0; i < count; i++) put(x++, y, nibble(value, i));
    else if (value === 0) [x, y] = [0, y + 1];
    else if (value === 1) return;
    else if (value === 2) {
      x += file[at] ?? 0;
      y += file[at + 1] ?? 0;
      at += 2;
    } else {
      const bytes = Math.ceil((value * bits) / 8);
      for (let i = 0; i < value; i++) put(x++, y, nibble(file[at + ((i * bits) >> 3)] ?? 0, i));
      at += bytes + (bytes & 1);
    }
  }
}

/**
 * @param file the whole bitmap, whose size was found to be allowed
 * @throws MediaError where pixels are missing
 */
export function decodeBmp(file: Buffer): RawPixels {
  const header = readBmpHeader(file);
  const { width, height, bits, compression, offset, topDown, palette } = header;
  const runs = compression === RLE8 || compression === RLE4;
  const needed = runs ? offset + 2 : offset + Math.ceil((width * bits) / 32) * 4 * height;
  if (file.length < needed || file.length < palette.at + palette.count * palette.entry)
    throw invalidMedia('The image cannot be decoded: the bitmap is cut off');
  const data = Buffer.alloc(width * height * 4);
  const put: Put = (x, y, red, green, blue, alpha) => {
    // Runs may lead out of the picture.
    if (x >= width || y >= height) return;
    const to = ((topDown ? y : height - 1 - y) * width + x) * 4;
    data[to] = red;
    data[to + 1] = green;
    data[to + 2] = blue;
    data[to + 3] = alpha;
  };
  const index = (x: number, y: number, colour: number): void => {
    const at = palette.at + Math.min(colour, palette.count - 1) * palette.entry;
    put(x, y, file[at + 2] ?? 0, file[at + 1] ?? 0, file[at] ?? 0, 255);
  };
  if (runs) readRuns(file, header, index);
  else if (bits <= 8) readIndices(file, header, index);
  else readDirect(file, header, put);
  return { width, height, data };
}
