/**
 * Pictures that are truncated or contain wrong bytes. The decoders of libvips describe a fault only in strict mode, so
 * a picture is decoded strictly first, and leniently if that fails:
 *
 * ```
 * strict --complete--> shown
 *   +--fails--> lenient --some pixels--> shown, with a remark
 *                  +--fails, or one colour only: not a single pixel could be read
 *                        +--> from repaired bytes (JPEG, PNG, WebP, AVIF) --some pixels--> shown, with a remark
 *                                +--fails, or one colour only--> the strict decoder's error
 * ```
 */
import fs from 'node:fs/promises';
import { safeReason } from '../errors.js';
import type { MediaKind } from '../sniff/kinds.js';
import { type RepairOptions, readableAvif } from './avif-repair.js';
import { completeJpeg } from './jpeg-repair.js';
import { rebuildPng } from './png-repair.js';
import { sharp } from './sharp.js';

/** Larger damaged files are not loaded into memory for repair. */
const MAX_REPAIR = 200 * 1024 * 1024;

/** Warnings of libjpeg about files in which every pixel is correct. */
const HARMLESS =
  /extraneous bytes before marker|Invalid SOS parameters|Unknown Adobe color transform|Inconsistent progression/i;

export const isHarmless = (message: string): boolean => HARMLESS.test(message);

/** The remark on a damaged picture that clients receive. @param reason the message of the decoder */
export function damageRemark(reason: string, paths: readonly string[] = []): string {
  const short = safeReason(reason, paths)
    .replace(/\b(?:source|the file|\S+): bad seek to \d+(; )?/g, '')
    .replace(/(; )?vips2\w+: unable to write to target.*$/, '')
    .replace(/^Vips(\w+): |^vips(png): /, '')
    // eslint-disable-next-line regexp/no-super-linear-move -- safeReason has cut the text
    .replace(/(; )+$/, '');
  return `The picture is damaged and is shown as far as it can be read${short ? ` (${short})` : ''}`;
}

/**
 * The size that the structure of a file announces if the file is shorter; undefined if nothing is missing or this is
 * unknown.
 */
export async function promisedSize(file: string, kind: MediaKind, head: Buffer): Promise<number | undefined> {
  const { size } = await fs.stat(file);
  if (kind.mime === 'image/webp' && head.length >= 12) {
    const promised = head.readUInt32LE(4) + 8;
    return promised > size ? promised : undefined;
  }
  if (kind.mime === 'image/gif') return (await endsWithTrailer(file, size)) ? undefined : size + 1;
  return /^image\/(heic|heif|avif)/.test(kind.mime) ? boxesEnd(file, size) : undefined;
}

const GIF_TRAILER = 0x3b;

/** Whether a GIF has its last byte; some programs write zeros after it. */
async function endsWithTrailer(file: string, size: number): Promise<boolean> {
  const handle = await fs.open(file, 'r');
  try {
    const end = Buffer.alloc(Math.min(size, 4096));
    await handle.read(end, 0, end.length, size - end.length);
    return end.findLast((byte) => byte !== 0) === GIF_TRAILER;
  } finally {
    await handle.close();
  }
}

/** Walks over the top-level boxes of an ISO base media file (ISO/IEC 14496-12, 4.2). */
async function boxesEnd(file: string, size: number): Promise<number | undefined> {
  const handle = await fs.open(file, 'r');
  try {
    const head = Buffer.alloc(16);
    let at = 0;
    for (let boxes = 0; at < size && boxes < 1000; boxes++) {
      const { bytesRead } = await handle.read(head, 0, 16, at);
      if (bytesRead < 8) return at + 8;
      const short = head.readUInt32BE(0);
      if (short === 0) return undefined;
      const length = short === 1 ? Number(head.readBigUInt64BE(8)) : short;
      if (length < 8) return undefined;
      at += length;
    }
    return at > size ? at : undefined;
  } finally {
    await handle.close();
  }
}

/**
 * Turns a truncated WebP animation into one with fewer frames: it keeps the complete chunks and corrects the size
 * (https://developers.google.com/speed/webp/docs/riff_container). Undefined if not a single frame is complete.
 */
export function completeFrames(file: Buffer): Buffer | undefined {
  let end = 0;
  for (let at = 12; at + 8 <= file.length; ) {
    const next = at + 8 + file.readUInt32LE(at + 4) + (file.readUInt32LE(at + 4) & 1);
    if (next > file.length) break;
    if (file.toString('latin1', at, at + 4) === 'ANMF') end = next;
    at = next;
  }
  if (end === 0) return undefined;
  const whole = Buffer.from(file.subarray(0, end));
  whole.writeUInt32LE(end - 8, 4);
  return whole;
}

/**
 * The complete frames of an animation, or the bytes of a picture padded with zeros to the announced size, for decoders
 * that refuse a short file.
 */
export async function paddedFile(file: string, promised: number): Promise<Buffer | undefined> {
  if (promised > MAX_REPAIR) return undefined;
  const bytes = await fs.readFile(file);
  return completeFrames(bytes) ?? Buffer.concat([bytes], promised);
}

/** Number of halvings in search of the last place before which everything can be read: down to 1/64 of the file. */
const BISECTION_STEPS = 6;

/**
 * Truncates a WebP before its wrong bytes: its decoder shows nothing if it meets a fault, but shows the readable part
 * of a truncated file.
 */
async function cutWebp(file: Buffer): Promise<Buffer | undefined> {
  let best: Buffer | undefined;
  let [readable, faulty] = [0, file.length];
  for (let step = 0; step < BISECTION_STEPS; step++) {
    const middle = Math.floor((readable + faulty) / 2);
    const cut = Buffer.concat([file.subarray(0, middle)], file.length);
    if (await hasPixels(cut).catch(() => false)) [best, readable] = [cut, middle];
    else faulty = middle;
  }
  return best;
}

/**
 * Counts the readable frames of an animation before the first faulty one: a decoder returns no frame if the requested
 * ones include one with wrong bytes.
 */
export async function readableFrames(input: string | Buffer, frames: number): Promise<number> {
  const canRead = (pages: number): Promise<boolean> => {
    const image = sharp(input, { pages, failOn: 'none', limitInputPixels: false });
    return image
      .resize(8, 8, { fit: 'fill' })
      .raw()
      .toBuffer()
      .then(
        () => true,
        () => false,
      );
  };
  let [readable, faulty] = [0, frames];
  while (faulty - readable > 1) {
    const middle = Math.floor((readable + faulty) / 2);
    if (await canRead(middle)) readable = middle;
    else faulty = middle;
  }
  return readable;
}

type Repair = (file: Buffer, options: RepairOptions) => Buffer | undefined | Promise<Buffer | undefined>;

const REPAIRS: Readonly<Record<string, Repair>> = {
  'image/jpeg': completeJpeg,
  'image/png': rebuildPng,
  'image/apng': rebuildPng,
  'image/avif': readableAvif,
  'image/webp': cutWebp,
};

/** Bytes from which a decoder may show more than from the file; undefined if there is no repair for its kind. */
export async function repairedBytes(
  file: string,
  kind: MediaKind,
  options: RepairOptions,
): Promise<Buffer | undefined> {
  const repair = REPAIRS[kind.mime];
  if (!repair) return undefined;
  const { size } = await fs.stat(file);
  return size > MAX_REPAIR ? undefined : repair(await fs.readFile(file), options);
}

/** Number of samples along each side of a picture that are compared. */
const SAMPLES = 64;
/** libjpeg makes up a first block (at most 32 pixels a side) without any data. */
const INVENTED_SIDE = 32;

/** Whether a lenient decoder returned any pixels: it leaves unreadable parts in one colour. */
export async function hasPixels(input: string | Buffer): Promise<boolean> {
  const image = sharp(input, { failOn: 'none', limitInputPixels: false });
  const { width, height } = await image.metadata();
  const small = image.resize(SAMPLES, SAMPLES, { fit: 'fill', kernel: 'nearest' }).raw({ depth: 'uchar' });
  const { data, info } = await small.toBuffer({ resolveWithObject: true });
  const skipped = (side: number): number => (side > INVENTED_SIDE ? Math.ceil((INVENTED_SIDE * SAMPLES) / side) : 0);
  const [left, top] = [skipped(width), skipped(height)];
  const last = data.subarray(-info.channels);
  for (let at = 0; at < data.length; at++) {
    const x = Math.floor(at / info.channels) % SAMPLES;
    const y = Math.floor(at / info.channels / SAMPLES);
    if ((x >= left || y >= top) && data[at] !== last[at % info.channels]) return true;
  }
  return false;
}
