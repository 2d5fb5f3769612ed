/**
 * Measures the compressed texts of a PNG before any library reads them: libvips and ExifTool inflate each one as a
 * whole, and 400 KB of them can contain 400 MB (libvips took 20 s and 3 GB for it).
 */

import fs from 'node:fs/promises';
import { inflateSync } from 'node:zlib';
import { errorCode } from '@cl-server/kit';
import { invalidMedia } from '../errors.js';

/** The signatures of PNG, MNG and JNG, whose chunks follow after eight bytes. */
const SIGNATURES = ['89504e470d0a1a0a', '8a4d4e470d0a1a0a', '8b4a4e470d0a1a0a'];
/**
 * Maximum number of bytes of all texts and profiles of one file after inflating. Editors write XMP of some hundred
 * kilobytes.
 */
const MAX_INFLATED = 8 * 1024 * 1024;
const MAX_STORED = 16 * 1024 * 1024;
/** Maximum number of chunks: 150 megapixels of 16 bits in the usual 8 KB each. */
const MAX_CHUNKS = 200_000;
/** Chunks with a keyword, a language and its translation before the compressed part. */
const TEXTS = new Set(['zTXt', 'iTXt', 'tEXt', 'iCCP']);
/** Maximum number of texts. libpng keeps 1,000. */
const MAX_TEXTS = 2_000;
const WINDOW = 64 * 1024;

/** Offset of the deflated part; undefined if the chunk has none. */
function deflatedAt(type: string, data: Buffer): number | undefined {
  const keyword = data.indexOf(0);
  if (keyword < 0 || type === 'tEXt') return undefined;
  if (type !== 'iTXt') return keyword + 2;
  if (data[keyword + 1] !== 1) return undefined;
  const language = data.indexOf(0, keyword + 3);
  const translated = language < 0 ? -1 : data.indexOf(0, language + 1);
  return translated < 0 ? undefined : translated + 1;
}

const tooMuch = (): Error => invalidMedia('The texts in the picture unpack to more than is allowed');

function inflatedSize(deflated: Buffer, allowed: number): number {
  try {
    return inflateSync(deflated, { maxOutputLength: Math.max(1, allowed) }).length;
  } catch (error) {
    if (errorCode(error) === 'ERR_BUFFER_TOO_LARGE') throw tooMuch();
    return 0; // damaged: its readers leave it out as well
  }
}

/**
 * Refuses a PNG whose texts and profiles would fill the memory. Other files pass without being read.
 * @throws MediaError `invalid_input`
 */
export async function refuseTextBomb(file: string): Promise<void> {
  await using handle = await fs.open(file);
  const head = Buffer.alloc(8);
  const { bytesRead } = await handle.read(head, 0, 8, 0);
  if (bytesRead < 8 || !SIGNATURES.includes(head.toString('hex'))) return;
  const window = Buffer.allocUnsafe(WINDOW);
  let from = 0;
  let filled = 0;
  /** Returns bytes of the file; the window moves to them if necessary. */
  const at = async (offset: number, length: number): Promise<Buffer> => {
    if (offset < from || offset + length > from + filled) {
      const read = await handle.read(window, 0, WINDOW, offset);
      [from, filled] = [offset, read.bytesRead];
    }
    return window.subarray(offset - from, Math.min(offset - from + length, filled));
  };
  const whole = async (offset: number, length: number): Promise<Buffer> => {
    const data = Buffer.alloc(length);
    const { bytesRead: got } = await handle.read(data, 0, length, offset);
    return data.subarray(0, got);
  };
  let [texts, stored, inflated] = [0, 0, 0];
  for (let offset = 8, chunks = 0; ; chunks++) {
    if (chunks > MAX_CHUNKS) throw invalidMedia('The picture has more parts than is allowed');
    const header = await at(offset, 8);
    if (header.length < 8) return;
    const length = header.readUInt32BE(0);
    const type = header.toString('latin1', 4, 8);
    if (TEXTS.has(type)) {
      stored += length;
      if (++texts > MAX_TEXTS) throw invalidMedia('The picture has more texts than is allowed');
      if (stored > MAX_STORED) throw tooMuch();
      const data = length <= WINDOW ? await at(offset + 8, length) : await whole(offset + 8, length);
      const begin = deflatedAt(type, data);
      if (begin !== undefined) inflated += inflatedSize(data.subarray(begin), MAX_INFLATED - inflated);
      if (inflated > MAX_INFLATED) throw tooMuch();
    }
    if (type === 'IEND' || type === 'MEND') return;
    offset += 12 + length;
  }
}
