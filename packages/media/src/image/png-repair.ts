/**
 * Makes a complete PNG of a damaged one from all compressed rows that can be unpacked. An interlaced picture becomes a
 * plain one, in which each coarse pixel stands for the finer ones that are missing (PNG specification, third edition,
 * 8.1 and 9).
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { promisify } from 'node:util';
import { crc32, createInflate, deflate } from 'node:zlib';

const SIGNATURE = 8;
/** Maximum number of bytes of unpacked pixels in memory. */
const MAX_RAW = 512 * 1024 * 1024;
/** Number of rows between two turns of the event loop. */
const ROWS_PER_TURN = 256;
/** For each pass: left, top, distance across and down, and the block that one of its pixels represents. */
const PASSES = [
  { x: 0, y: 0, dx: 8, dy: 8, w: 8, h: 8 },
  { x: 4, y: 0, dx: 8, dy: 8, w: 4, h: 8 },
  { x: 0, y: 4, dx: 4, dy: 8, w: 4, h: 4 },
  { x: 2, y: 0, dx: 4, dy: 4, w: 2, h: 4 },
  { x: 0, y: 2, dx: 2, dy: 4, w: 2, h: 2 },
  { x: 1, y: 0, dx: 2, dy: 2, w: 1, h: 2 },
  { x: 0, y: 1, dx: 1, dy: 2, w: 1, h: 1 },
] as const;
const CHANNELS: Readonly<Record<number, number>> = { 0: 1, 2: 3, 3: 1, 4: 2, 6: 4 };
/** Chunks before the pixels that define how they are displayed. */
const COPIED_CHUNKS = new Set(['PLTE', 'tRNS', 'iCCP', 'sRGB', 'gAMA', 'cHRM', 'cICP', 'sBIT', 'eXIf', 'pHYs']);

interface Parts {
  readonly header: Buffer;
  readonly kept: readonly Buffer[];
  readonly packed: Buffer;
}

function chunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const out = Buffer.alloc(body.length + 8);
  out.writeUInt32BE(data.length, 0);
  body.copy(out, 4);
  out.writeUInt32BE(crc32(body), body.length + 4);
  return out;
}

function partsOf(file: Buffer): Parts | undefined {
  let header: Buffer | undefined;
  const kept: Buffer[] = [];
  const packed: Buffer[] = [];
  for (let at = SIGNATURE; at + 8 <= file.length; ) {
    const length = file.readUInt32BE(at);
    const type = file.toString('latin1', at + 4, at + 8);
    if (!/^[A-Za-z]{4}$/.test(type)) break;
    const data = file.subarray(at + 8, at + 8 + length);
    const whole = data.length === length;
    if (type === 'IHDR' && length === 13 && whole) header = data;
    else if (type === 'IDAT') packed.push(data);
    else if (COPIED_CHUNKS.has(type) && whole && packed.length === 0) kept.push(chunk(type, data));
    else if (type === 'IEND') break;
    at += length + 12;
  }
  return header && packed.length > 0 ? { header, kept, packed: Buffer.concat(packed) } : undefined;
}

/** Unpacks as many bytes as possible, at most `most`. */
function unpacked(packed: Buffer, most: number): Promise<Buffer> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let size = 0;
    const inflate = createInflate({ finishFlush: 2 }); // Z_SYNC_FLUSH: the end may be missing
    const end = (): void => {
      inflate.destroy();
      resolve(Buffer.concat(chunks).subarray(0, most));
    };
    inflate.on('data', (data: Buffer) => {
      chunks.push(data);
      size += data.length;
      if (size >= most) end();
    });
    inflate.once('end', end);
    inflate.once('error', end);
    inflate.end(packed);
  });
}

/** Reverses the filter of a row in place. @param above the previous row without its filter; empty for the first */
function unfilter(kind: number, row: Buffer, above: Buffer, bytes: number): void {
  for (let i = 0; i < row.length; i++) {
    const a = i >= bytes ? (row[i - bytes] ?? 0) : 0;
    const b = above[i] ?? 0;
    const c = i >= bytes ? (above[i - bytes] ?? 0) : 0;
    const value = row[i] ?? 0;
    if (kind === 1) row[i] = value + a;
    else if (kind === 2) row[i] = value + b;
    else if (kind === 3) row[i] = value + ((a + b) >> 1);
    else if (kind === 4) {
      const p = a + b - c;
      const [pa, pb, pc] = [Math.abs(p - a), Math.abs(p - b), Math.abs(p - c)];
      row[i] = value + (pa <= pb && pa <= pc ? a : pb <= pc ? b : c);
    }
  }
}

/**
 * Converts rows of an interlaced picture to those of a plain one, each with filter 0. @param bytes size of one pixel
 */
async function plainRows(raw: Buffer, width: number, height: number, bytes: number): Promise<Buffer> {
  const stride = width * bytes + 1;
  const out = Buffer.alloc(stride * height);
  let at = 0;
  let rows = 0;
  for (const { x: left, y: top, dx, dy, w, h } of PASSES) {
    const columns = Math.ceil((width - left) / dx);
    if (columns <= 0) continue;
    let above: Buffer = Buffer.alloc(0);
    for (let y = top; y < height; y += dy) {
      const row = raw.subarray(at + 1, at + 1 + columns * bytes);
      if (row.length < columns * bytes) return out;
      unfilter(raw[at] ?? 0, row, above, bytes);
      for (let column = 0; column < columns; column++) {
        const x = left + column * dx;
        const right = Math.min(width, x + w);
        for (let line = y; line < Math.min(height, y + h); line++)
          for (let to = x; to < right; to++)
            row.copy(out, line * stride + 1 + to * bytes, column * bytes, (column + 1) * bytes);
      }
      above = row;
      at += 1 + columns * bytes;
      if (++rows % ROWS_PER_TURN === 0) await nextTurn();
    }
  }
  return out;
}

const pack = promisify(deflate) as (data: Buffer, options: { level: number }) => Promise<Buffer>;

/** @returns a complete PNG; undefined if no pixel is left, or if libpng reads this kind better itself */
export async function rebuildPng(file: Buffer): Promise<Buffer | undefined> {
  const parts = partsOf(file);
  if (!parts) return undefined;
  const header = Buffer.from(parts.header);
  const [width, height, depth = 8, colour = 0, interlaced] = [
    header.readUInt32BE(0),
    header.readUInt32BE(4),
    header[8],
    header[9],
    header[12] === 1,
  ];
  const bits = depth * (CHANNELS[colour] ?? 0);
  if (bits < 8 || width * height * (bits / 8) > MAX_RAW) return undefined;
  const bytes = bits / 8;
  const passRows = interlaced
    ? PASSES.reduce((sum, { y, dy }) => sum + Math.ceil(Math.max(0, height - y) / dy), 0)
    : height;
  const raw = await unpacked(parts.packed, width * height * bytes + passRows);
  if (raw.length === 0) return undefined;
  const rows = interlaced
    ? await plainRows(raw, width, height, bytes)
    : Buffer.concat([raw], (width * bytes + 1) * height);
  header[12] = 0;
  const pixels = await pack(rows, { level: 1 });
  return Buffer.concat([
    file.subarray(0, SIGNATURE),
    chunk('IHDR', header),
    ...parts.kept,
    chunk('IDAT', pixels),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}
