/**
 * Finds the largest JPEG in a camera's raw file. The directories of TIFF-like files (DNG, CR2, NEF, ARW, PEF, SRW, RW2)
 * and RAF name the places of their JPEGs; for files that hide them elsewhere (CR3, ORF), ExifTool finds them.
 */
import fs, { type FileHandle } from 'node:fs/promises';
import { MediaError, unsupportedMediaKind } from '../errors.js';
import { exiftoolCommand } from '../exif/command.js';
import { run } from '../process/run.js';
import { jpegShape } from './jpeg-header.js';

const RAF = 'image/x-fujifilm-raf';

/** Raw formats with their names for people. */
export const RAW_KINDS: Readonly<Record<string, string>> = {
  'image/x-adobe-dng': 'DNG',
  'image/x-canon-cr2': 'CR2',
  'image/x-canon-cr3': 'CR3',
  'image/x-nikon-nef': 'NEF',
  'image/x-sony-arw': 'ARW',
  [RAF]: 'RAF',
  'image/x-olympus-orf': 'ORF',
  'image/x-panasonic-rw2': 'RW2',
  'image/x-pentax-pef': 'PEF',
  'image/x-samsung-srw': 'SRW',
};

/** Maximum number of bytes of a preview; those of 100 megapixels have about 30 MB. */
const MAX_PREVIEW = 100 * 1024 * 1024;
/** Maximum number of directories in a file and of entries in a directory that are read. */
const MAX_DIRECTORIES = 32;
const MAX_ENTRIES = 500;
/** A preview with a shorter longer side is a thumbnail: ExifTool may know a larger one. */
const MIN_PREVIEW_SIDE = 512;
/** Number of bytes that contain the header of a JPEG. */
const HEADER_SIZE = 64 * 1024;

interface Span {
  readonly offset: number;
  readonly length: number;
}

export interface RawPreview {
  readonly jpeg: Buffer;
  /** EXIF orientation of the raw file, 1 to 8. */
  readonly orientation: number;
}

async function bytesAt(file: FileHandle, { offset, length }: Span): Promise<Buffer> {
  const buffer = Buffer.alloc(length);
  const { bytesRead } = await file.read(buffer, 0, length, offset);
  return buffer.subarray(0, bytesRead);
}

const TAG = { compression: 0x103, strips: 0x111, orientation: 0x112, stripBytes: 0x117, subIfds: 0x14a, jpeg: 0x201, jpegBytes: 0x202, exif: 0x8769, rw2Jpeg: 0x2e } as const; // biome-ignore format: a table
/** Size of a value by its TIFF type: byte, ASCII, short, long, rational, …, undefined, …, IFD. */
const SIZES: Readonly<Record<number, number>> = { 1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 7: 1, 13: 4 };

interface Entry extends Span {
  readonly values: readonly number[];
}

/** The directories of a TIFF structure, including nested ones. */
async function directories(file: FileHandle): Promise<ReadonlyMap<number, Entry>[]> {
  const head = await bytesAt(file, { offset: 0, length: 8 });
  if (head.length < 8) return [];
  const little = head.toString('latin1', 0, 2) === 'II';
  const short = (from: Buffer, at: number): number => (little ? from.readUInt16LE(at) : from.readUInt16BE(at));
  const long = (from: Buffer, at: number): number => (little ? from.readUInt32LE(at) : from.readUInt32BE(at));
  const found: Map<number, Entry>[] = [];
  const waiting = [long(head, 4)];
  const seen = new Set<number>();
  for (let at = waiting.shift(); at !== undefined && found.length < MAX_DIRECTORIES; at = waiting.shift()) {
    if (at === 0 || seen.has(at)) continue;
    seen.add(at);
    const start = await bytesAt(file, { offset: at, length: 2 });
    if (start.length < 2) continue;
    const count = Math.min(short(start, 0), MAX_ENTRIES);
    const body = await bytesAt(file, { offset: at + 2, length: count * 12 + 4 });
    const directory = new Map<number, Entry>();
    for (let i = 0; (i + 1) * 12 <= body.length && i < count; i++) {
      const entry = body.subarray(i * 12, i * 12 + 12);
      const size = SIZES[short(entry, 2)];
      const number = long(entry, 4);
      if (size === undefined) continue;
      const inside = size * number <= 4;
      const offset = inside ? at + 2 + i * 12 + 8 : long(entry, 8);
      const numbers = Math.min(number, 16);
      const bytes = inside ? entry.subarray(8) : await bytesAt(file, { offset, length: Math.min(size, 4) * numbers });
      const values = size === 2 || size === 4 ? Array.from({ length: numbers }, (_, n) => ((n + 1) * size <= bytes.length ? (size === 2 ? short(bytes, n * 2) : long(bytes, n * 4)) : 0)) : []; // biome-ignore format: one value
      directory.set(short(entry, 0), { offset, length: size * number, values });
    }
    found.push(directory);
    waiting.push(...(directory.get(TAG.subIfds)?.values ?? []), ...(directory.get(TAG.exif)?.values ?? []));
    if (body.length >= count * 12 + 4) waiting.push(long(body, count * 12));
  }
  return found;
}

/** Possible places of a directory's JPEG: its own fields, or the only strip of a picture compressed as JPEG. */
function spansOf(directory: ReadonlyMap<number, Entry>): Span[] {
  const pair = (from: number, bytes: number): Span[] => {
    const [offset, ...more] = directory.get(from)?.values ?? [];
    const [length] = directory.get(bytes)?.values ?? [];
    return offset !== undefined && length !== undefined && more.length === 0 ? [{ offset, length }] : [];
  };
  const packed = directory.get(TAG.compression)?.values[0];
  const rw2 = directory.get(TAG.rw2Jpeg);
  return [
    ...pair(TAG.jpeg, TAG.jpegBytes),
    ...(packed === 6 || packed === 7 ? pair(TAG.strips, TAG.stripBytes) : []),
    ...(rw2 && rw2.length > HEADER_SIZE ? [rw2] : []),
  ];
}

/** Longer side of a JPEG that libvips reads; 0 for anything else, such as the lossless JPEG of sensor data. */
function sideOf(head: Buffer): number {
  const shape = jpegShape(head);
  if (!shape || isLossless(head)) return 0;
  return Math.max(shape.width, shape.height);
}

function isLossless(jpeg: Buffer): boolean {
  for (let at = 2; at + 4 <= jpeg.length && jpeg[at] === 0xff; at += 2 + jpeg.readUInt16BE(at + 2)) {
    const marker = jpeg[at + 1] ?? 0;
    if (marker === 0xc3) return true;
    if (marker >= 0xc0 && marker <= 0xc2) return false;
  }
  return false;
}

async function largest(file: FileHandle, spans: readonly Span[]): Promise<{ jpeg: Buffer; side: number } | undefined> {
  let best: (Span & { side: number }) | undefined;
  for (const { offset, length } of spans) {
    if (length < 100 || length > MAX_PREVIEW) continue;
    const side = sideOf(await bytesAt(file, { offset, length: Math.min(length, HEADER_SIZE) }));
    if (side > (best?.side ?? 0)) best = { offset, length, side };
  }
  return best && { jpeg: await bytesAt(file, best), side: best.side };
}

/** Asks ExifTool for all pictures in the file and returns the largest. */
async function exiftoolPreview(
  file: string,
  exiftool: string | undefined,
  signal?: AbortSignal,
): Promise<Buffer | undefined> {
  const [program = '', ...start] = await exiftoolCommand(exiftool);
  const names = ['-JpgFromRaw', '-PreviewImage', '-OtherImage', '-ThumbnailImage'];
  const args = [...start, '-a', '-b', '-j', '-G4', '-m', '-q', ...names, file];
  const { stdout } = await run(program, args, { signal, timeout: 30_000, maxOutput: 2 * MAX_PREVIEW });
  const [tags = {}] = JSON.parse(stdout.toString('utf8') || '[]') as Record<string, unknown>[];
  const jpegs = Object.values(tags).flatMap((value) =>
    typeof value === 'string' && value.startsWith('base64:') ? [Buffer.from(value.slice(7), 'base64')] : [],
  );
  return jpegs.sort((a, b) => sideOf(b) - sideOf(a)).find((jpeg) => sideOf(jpeg) > 0);
}

/**
 * Extracts the preview.
 * @param mime one of `RAW_KINDS`
 * @throws MediaError `unsupported_media` if the file has no preview
 */
export async function rawPreview(
  file: string,
  mime: string,
  { exiftool, signal }: { readonly exiftool?: string | undefined; readonly signal?: AbortSignal | undefined } = {},
): Promise<RawPreview> {
  const handle = await fs.open(file, 'r');
  try {
    const found = mime === RAF ? [] : await directories(handle);
    const header = await bytesAt(handle, { offset: 0, length: 100 });
    const spans =
      mime === RAF && header.length >= 92
        ? [{ offset: header.readUInt32BE(84), length: header.readUInt32BE(88) }]
        : found.flatMap(spansOf);
    const own = await largest(handle, spans);
    const orientation = found[0]?.get(TAG.orientation)?.values[0] ?? 1;
    const jpeg =
      own && own.side >= MIN_PREVIEW_SIDE
        ? own.jpeg
        : ((await ignoringFailures(exiftoolPreview(file, exiftool, signal))) ?? own?.jpeg);
    if (jpeg) return { jpeg, orientation: orientation >= 1 && orientation <= 8 ? orientation : 1 };
  } finally {
    await handle.close();
  }
  throw unsupportedMediaKind(`The ${RAW_KINDS[mime] ?? 'raw'} file has no preview that could be shown`);
}

/** Ignores an ExifTool that is missing or cannot read the file: then the preview that was found without it is used. */
const ignoringFailures = <T>(work: Promise<T>): Promise<T | undefined> =>
  work.catch((error: unknown) => {
    if (error instanceof MediaError && error.code === 'cancelled') throw error;
    return undefined;
  });

/** Adds an orientation to a JPEG that has none. */
export function withOrientation(jpeg: Buffer, orientation: number): Buffer {
  if (orientation === 1 || jpegShape(jpeg)?.orientation !== 1 || jpeg.includes('Exif\0\0', 0, 'latin1')) return jpeg;
  const exif = Buffer.alloc(36);
  exif.writeUInt16BE(0xffe1, 0);
  exif.writeUInt16BE(34, 2);
  exif.write('Exif\0\0MM\0*', 4, 'latin1');
  exif.writeUInt32BE(8, 14); // the directory follows the header
  exif.writeUInt16BE(1, 18);
  exif.writeUInt16BE(TAG.orientation, 20);
  exif.writeUInt16BE(3, 22);
  exif.writeUInt32BE(1, 24);
  exif.writeUInt16BE(orientation, 28);
  return Buffer.concat([jpeg.subarray(0, 2), exif, jpeg.subarray(2)]);
}
