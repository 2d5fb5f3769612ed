/**
 * Decodes Windows and OS/2 bitmaps with 1, 4, 8, 16, 24 and 32 bits for each pixel, palettes, bit fields and run
 * lengths.
 */
import { invalidMedia, unsupportedMediaKind } from '../errors.js';
import type { RawPixels } from './heic.js';
import type { Size } from './size.js';

const FILE_HEADER = 14;
const CORE_HEADER = 12;
const INFO_HEADER = 40;
const V2_HEADER = 52;
const V3_HEADER = 56;
/** This number of bytes contains every possible header with its palette. */
export const BMP_HEAD = 2048;

const RGB = 0;
const RLE8 = 1;
const RLE4 = 2;
const BITFIELDS = 3;
const ALPHA_BITFIELDS = 6;

export interface BmpHeader extends Size {
  readonly bits: number;
  readonly hasAlpha: boolean;
  /** Rows are stored from the top; the usual order is from the bottom. */
  readonly topDown: boolean;
  readonly compression: number;
  /** Offset of the pixels. */
  readonly offset: number;
  /** Masks of red, green, blue and alpha; 0 for a channel that is not stored. */
  readonly masks: readonly number[];
  /** For each colour blue, green and red, and perhaps one more byte. */
  readonly palette: { readonly at: number; readonly entry: 3 | 4; readonly count: number };
}

function masksOf(head: Buffer, info: number, bits: number, compression: number): readonly number[] {
  if (compression === BITFIELDS || compression === ALPHA_BITFIELDS) {
    const withAlpha = info >= V3_HEADER || compression === ALPHA_BITFIELDS;
    const at = FILE_HEADER + INFO_HEADER;
    const masks = [0, 4, 8].map((more) => head.readUInt32LE(at + more));
    return [...masks, withAlpha ? head.readUInt32LE(at + 12) : 0];
  }
  // Without masks, the fourth byte of 32 bits has no meaning.
  return bits === 16 ? [0x7c00, 0x03e0, 0x001f, 0] : [0xff0000, 0x00ff00, 0x0000ff, 0];
}

/**
 * @param head the file's first bytes, BMP_HEAD of them if the file has that many
 * @throws MediaError
 */
export function readBmpHeader(head: Buffer): BmpHeader {
  if (head.length < FILE_HEADER + CORE_HEADER || head.toString('latin1', 0, 2) !== 'BM')
    throw invalidMedia('The image cannot be read: it is not a bitmap');
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

/** Returns a function that extracts a channel from a pixel and scales it to 8 bits. */
function channel(mask: number): (pixel: number) => number {
  if (mask === 0) return () => 255;
  const shift = 31 - Math.clz32(mask & -mask);
  const most = mask >>> shift;
  if (most === 255) return (pixel) => (pixel & mask) >>> shift;
  return (pixel) => Math.round((((pixel & mask) >>> shift) * 255) / most);
}

/** The target of a picture's pixels: one 32-bit word each, in the order of displayed rows. */
interface Canvas {
  readonly pixels: Uint32Array;
  /** Offset of the first pixel of a row. */
  readonly row: (y: number) => number;
}

/** A pixel as a word whose bytes are red, green, blue, alpha on machines of either byte order. */
const packed = ((): ((red: number, green: number, blue: number, alpha: number) => number) => {
  const bytes = new Uint8Array(4);
  const word = new Uint32Array(bytes.buffer);
  return (red, green, blue, alpha) => {
    bytes[0] = red;
    bytes[1] = green;
    bytes[2] = blue;
    bytes[3] = alpha;
    return word[0] ?? 0;
  };
})();

function readDirect(file: Buffer, { width, height, bits, offset, masks }: BmpHeader, { pixels, row }: Canvas): void {
  const bytes = bits / 8;
  const stride = Math.ceil((width * bytes) / 4) * 4;
  const [red, green, blue, alpha] = masks.map(channel);
  if (!red || !green || !blue || !alpha) throw new Error('a bitmap has four channels');
  for (let y = 0; y < height; y++) {
    let to = row(y);
    for (let x = 0, at = offset + y * stride; x < width; x++, at += bytes) {
      if (bytes === 3) pixels[to++] = packed(file[at + 2] ?? 0, file[at + 1] ?? 0, file[at] ?? 0, 255);
      else {
        const pixel = bytes === 2 ? file.readUInt16LE(at) : file.readUInt32LE(at);
        pixels[to++] = packed(red(pixel), green(pixel), blue(pixel), alpha(pixel));
      }
    }
  }
}

function readIndices(
  file: Buffer,
  { width, height, bits, offset }: BmpHeader,
  { pixels, row }: Canvas,
  colours: Uint32Array,
): void {
  const stride = Math.ceil((width * bits) / 32) * 4;
  for (let y = 0; y < height; y++) {
    let to = row(y);
    for (let x = 0; x < width; x++) {
      const bit = x * bits;
      const byte = file[offset + y * stride + (bit >> 3)] ?? 0;
      pixels[to++] = colours[(byte >> (8 - bits - (bit & 7))) & (2 ** bits - 1)] ?? 0;
    }
  }
}

/**
 * Decodes run lengths: `n v` is n pixels of v; `0 0` ends a row, `0 1` the picture, `0 2` moves on, `0 n` begins n
 * stored pixels. The picture bounds the work, not the file: pixels outside cost nothing, and the number of codes is
 * limited to what a picture of this size can need.
 */
function readRuns(
  file: Buffer,
  { bits, width, height, offset }: BmpHeader,
  { pixels, row }: Canvas,
  colours: Uint32Array,
): void {
  const colour = (byte: number, i: number): number =>
    colours[bits === 8 ? byte : i % 2 === 0 ? byte >> 4 : byte & 15] ?? 0;
  let codes = 2 * (width * height + height) + 2;
  let [at, x, y] = [offset, 0, 0];
  while (y < height && at + 1 < file.length) {
    if (codes-- === 0) throw invalidMedia('The image cannot be decoded: the bitmap has more runs than pixels');
    const count = file[at] ?? 0;
    const value = file[at + 1] ?? 0;
    at += 2;
    const to = row(y) + x;
    if (count > 0) {
      const inside = Math.max(0, Math.min(count, width - x));
      if (bits === 8) pixels.fill(colour(value, 0), to, to + inside);
      else for (let i = 0; i < inside; i++) pixels[to + i] = colour(value, i);
      x += count;
    } else if (value === 0) [x, y] = [0, y + 1];
    else if (value === 1) return;
    else if (value === 2) {
      x += file[at] ?? 0;
      y += file[at + 1] ?? 0;
      at += 2;
    } else {
      const bytes = Math.ceil((value * bits) / 8);
      const inside = Math.max(0, Math.min(value, width - x));
      for (let i = 0; i < inside; i++) pixels[to + i] = colour(file[at + ((i * bits) >> 3)] ?? 0, i);
      x += value;
      at += bytes + (bytes & 1);
    }
  }
}

/** The pixel for each possible index; an index beyond the palette is its last colour. */
function coloursOf(file: Buffer, { bits, palette }: BmpHeader): Uint32Array {
  return Uint32Array.from({ length: bits <= 8 ? 2 ** bits : 0 }, (_, index) => {
    const at = palette.at + Math.min(index, palette.count - 1) * palette.entry;
    return packed(file[at + 2] ?? 0, file[at + 1] ?? 0, file[at] ?? 0, 255);
  });
}

/**
 * Whether the runs can fill the picture: a code of two bytes makes at most 255 pixels. A picture that they cannot fill
 * would be an empty one that fills the memory.
 */
const canFill = ({ width, height, offset }: BmpHeader, size: number): boolean =>
  width * height <= Math.max(size - offset, 0) * 128;

/** Maximum number of bytes up to which a truncated bitmap is padded in memory. */
const MAX_FILLED = 200 * 1024 * 1024;

/**
 * Decodes a bitmap.
 * @param bytes the whole bitmap, whose size is within the limits; missing pixels of a truncated one are black
 * @throws MediaError if not a single row of pixels is left
 */
export function decodeBmp(bytes: Buffer): RawPixels {
  const header = readBmpHeader(bytes);
  const { width, height, bits, compression, offset, topDown, palette } = header;
  const runs = compression === RLE8 || compression === RLE4;
  const stride = Math.ceil((width * bits) / 32) * 4;
  const needed = runs ? offset + 2 : offset + stride * height;
  const least = runs ? needed : offset + stride;
  const isShort = bytes.length < least || bytes.length < palette.at + palette.count * palette.entry;
  const isCut = bytes.length < needed;
  if (isShort || (runs && !canFill(header, bytes.length)) || (isCut && needed > MAX_FILLED))
    throw invalidMedia('The image cannot be decoded: the bitmap is cut off');
  const file = isCut ? Buffer.concat([bytes], needed) : bytes;
  const pixels = new Uint32Array(width * height);
  const canvas: Canvas = { pixels, row: (y) => (topDown ? y : height - 1 - y) * width };
  if (runs) readRuns(file, header, canvas, coloursOf(file, header));
  else if (bits <= 8) readIndices(file, header, canvas, coloursOf(file, header));
  else readDirect(file, header, canvas);
  return { width, height, data: new Uint8Array(pixels.buffer), ...(isCut && { damage: 'the bitmap is cut off' }) };
}
