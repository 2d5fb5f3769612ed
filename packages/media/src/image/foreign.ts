/** Formats that ffmpeg reads but libvips as packaged does not: Photoshop, JPEG 2000 and JPEG XL. */
import { invalidMedia, MediaError, safeReason } from '../errors.js';
import { run } from '../process/run.js';
import type { RawPixels } from './heic.js';
import type { Size } from './size.js';

interface Foreign {
  /** Name for people. */
  readonly name: string;
  /** The only demuxer of ffmpeg that may open it. */
  readonly demuxer: string;
  /** Reads the size of the picture from the file's first bytes. */
  readonly size: (head: Buffer) => Size | undefined;
}

function photoshopSize(head: Buffer): Size | undefined {
  return head.length >= 26 ? { width: head.readUInt32BE(18), height: head.readUInt32BE(14) } : undefined;
}

/** Reads the SIZ segment (ITU-T T.800, A.5.1), with which every codestream begins. */
function jpeg2000Size(head: Buffer): Size | undefined {
  const at = head.indexOf(Buffer.from([0xff, 0x4f, 0xff, 0x51]));
  if (at < 0 || at + 24 > head.length) return undefined;
  const field = (i: number): number => head.readUInt32BE(at + 8 + i * 4);
  return { width: field(0) - field(2), height: field(1) - field(3) };
}

/** Ratios of width to height that have a number in JPEG XL. */
const RATIOS = [0, 1, 12 / 10, 4 / 3, 3 / 2, 16 / 9, 5 / 4, 2] as const;

/** Reads the SizeHeader (ISO/IEC 18181-1), bits from the lowest on. */
function jpegXlSize(head: Buffer): Size | undefined {
  const box = head.indexOf('jxlc', 0, 'latin1');
  const part = head.indexOf('jxlp', 0, 'latin1');
  const bare = head[0] === 0xff && head[1] === 0x0a;
  const start = bare ? 2 : box >= 0 ? box + 6 : part >= 0 ? part + 10 : -1;
  if (start < 0 || start + 16 > head.length) return undefined;
  let at = start * 8;
  const bits = (count: number): number => {
    let value = 0;
    for (let i = 0; i < count; i++, at++) value += (((head[at >> 3] ?? 0) >> (at & 7)) & 1) * 2 ** i;
    return value;
  };
  const isSmall = bits(1) === 1;
  const side = (): number => (isSmall ? (bits(5) + 1) * 8 : bits([9, 13, 18, 30][bits(2)] ?? 9) + 1);
  const height = side();
  const ratio = RATIOS[bits(3)] ?? 0;
  return { height, width: ratio === 0 ? side() : Math.floor(height * ratio) };
}

const JPEG_2000: Foreign = { name: 'JPEG 2000', demuxer: 'j2k_pipe', size: jpeg2000Size };

/** Formats by MIME type. */
export const FOREIGN: Readonly<Record<string, Foreign>> = {
  'image/vnd.adobe.photoshop': { name: 'Photoshop', demuxer: 'psd_pipe', size: photoshopSize },
  'image/jp2': JPEG_2000,
  'image/jpx': JPEG_2000,
  'image/jxl': { name: 'JPEG XL', demuxer: 'jpegxl_pipe', size: jpegXlSize },
};

/** Decoders allocate rows and columns beyond the picture. */
const aligned = (side: number): number => side + 256;

export interface ForeignOptions {
  readonly ffmpeg: string | undefined;
  readonly timeout: number;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Decodes the merged picture.
 * @param size from its header; it is within the limits
 * @throws MediaError
 */
export async function decodeForeign(file: string, mime: string, { width, height }: Size, options: ForeignOptions) {
  const { name = mime, demuxer = '' } = FOREIGN[mime] ?? {};
  const { ffmpeg, timeout, signal } = options;
  if (ffmpeg === undefined)
    throw new MediaError('tool_missing', `${name} pictures need ffmpeg, which is not installed; send a PNG of it`);
  const bytes = width * height * 4;
  const args = [
    ...[
      '-v',
      'error',
      '-hide_banner',
      '-nostdin',
      '-threads',
      '1',
      '-max_pixels',
      String(aligned(width) * aligned(height)),
    ],
    ...['-max_alloc', String(Math.max(64 * 1024 * 1024, bytes * 4)), '-protocol_whitelist', 'file'],
    ...['-format_whitelist', demuxer, '-f', demuxer, '-i', `file:${file}`, '-frames:v', '1'],
    ...['-vf', `scale=${width}:${height}`, '-pix_fmt', 'rgba', '-f', 'rawvideo', 'pipe:1'],
  ];
  const { stdout, stderr } = await run(ffmpeg, args, { timeout, signal, maxOutput: bytes });
  if (stdout.length !== bytes)
    throw invalidMedia(
      `The ${name} picture cannot be decoded: ${safeReason(stderr, [file]) || 'it contains no picture'}`,
    );
  const complaint = safeReason(stderr, [file]);
  const decoded: RawPixels = { width, height, data: stdout, ...(complaint && { damage: complaint }) };
  return decoded;
}
