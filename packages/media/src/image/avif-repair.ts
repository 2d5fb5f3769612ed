/**
 * Shows the beginning of a truncated AVIF. libheif refuses such a file as a whole; dav1d, which comes with ffmpeg,
 * decodes blocks as they arrive. It therefore receives only the bytes of the main picture, with zeros for the missing
 * ones.
 */
import fs from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { run } from '../process/run.js';
import { mainPicture } from './heif.js';
import type { Size } from './size.js';

export interface RepairOptions {
  readonly ffmpeg?: string | undefined;
  readonly timeout: number;
  readonly signal?: AbortSignal | undefined;
  /** Size of the whole picture, which is within the limits. */
  readonly size: Size;
}

/** Begins a temporal unit (AV1 specification, 5.3 and 7.5); a bare stream of AV1 must begin with one. */
const TEMPORAL_DELIMITER = Buffer.from([0x12, 0x00]);
const DECODER = 'libdav1d';

/** ffmpeg's filters for rotation and mirroring of a picture (ISO/IEC 23008-12, 6.5.10 and 6.5.12). */
const TURNS = [[], ['transpose=cclock'], ['hflip', 'vflip'], ['transpose=clock']] as const;
const MIRRORS = [['vflip'], ['hflip']] as const;

/** The bytes of the main picture, padded to their full length, and the filters that make it upright. */
function bareStream(file: Buffer): { readonly stream: Buffer; readonly filters: readonly string[] } | undefined {
  const { extents, properties } = mainPicture(file) ?? { extents: [], properties: [] };
  // A grid stores its pictures in other items, and a crop would need the sizes of the decoder.
  if (extents.length === 0 || !properties.some(({ type }) => type === 'av1C')) return undefined;
  if (properties.some(({ type }) => type === 'clap')) return undefined;
  const parts = extents.map(({ offset, length }) => {
    const end = length === 0 ? file.length : offset + length;
    return { there: file.subarray(offset, end), missing: Math.max(0, end - Math.max(offset, file.length)) };
  });
  const missing = parts.reduce((sum, part) => sum + part.missing, 0);
  const there = parts.reduce((sum, part) => sum + part.there.length, 0);
  // A length far beyond the file is not truncation but invention.
  if (there === 0 || missing > MAX_MISSING) return undefined;
  const stream = Buffer.concat([
    TEMPORAL_DELIMITER,
    ...parts.flatMap((part) => [part.there, Buffer.alloc(part.missing)]),
  ]);
  const filters = properties.flatMap(({ type, data }): readonly string[] => {
    if (type === 'irot') return TURNS[(data[0] ?? 0) & 3] ?? [];
    return type === 'imir' ? (MIRRORS[(data[0] ?? 0) & 1] ?? []) : [];
  });
  return { stream, filters };
}

const MAX_MISSING = 100 * 1024 * 1024;

/** @returns a PNG of the readable part; undefined if there is none */
export async function readableAvif(file: Buffer, options: RepairOptions): Promise<Buffer | undefined> {
  const { ffmpeg, timeout, signal, size } = options;
  const bare = bareStream(file);
  if (!ffmpeg || !bare) return undefined;
  const pixels = (size.width + 256) * (size.height + 256);
  const folder = await fs.mkdtemp(path.join(os.tmpdir(), 'cl-avif-'));
  try {
    const from = path.join(folder, 'picture.obu');
    await fs.writeFile(from, bare.stream);
    const args = [
      ...['-v', 'error', '-hide_banner', '-nostdin', '-threads', '1', '-max_pixels', String(pixels)],
      ...[
        '-protocol_whitelist',
        'file',
        '-format_whitelist',
        'obu',
        '-f',
        'obu',
        '-c:v',
        DECODER,
        '-i',
        `file:${from}`,
      ],
      ...[
        '-frames:v',
        '1',
        '-vf',
        [...bare.filters, 'format=rgb24'].join(','),
        '-c:v',
        'png',
        '-f',
        'image2pipe',
        'pipe:1',
      ],
    ];
    const maxOutput = pixels * 4 + 1024 * 1024;
    const { code, stdout } = await run(ffmpeg, args, { timeout, signal, maxOutput });
    return code === 0 && stdout.length > 0 ? stdout : undefined;
  } finally {
    await fs.rm(folder, { recursive: true, force: true });
  }
}
