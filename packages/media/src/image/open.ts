/** Opens images of all accepted formats, and runs pipelines on them. */
import fs from 'node:fs/promises';
import { messageOf } from '@cl-server/kit';
import type { Sharp, SharpOptions } from 'sharp';
import { invalidMedia, MediaError, safeReason } from '../errors.js';
import type { RepairOptions } from './avif-repair.js';
import { decodeBmp } from './bmp-decode.js';
import { damageRemark, hasPixels, isHarmless, readableFrames, repairedBytes } from './damaged.js';
import { displayable, type Unusual } from './displayable.js';
import { decodeForeign } from './foreign.js';
import {
  DEFAULT_MAX_PIXELS,
  type HeaderOptions,
  type ImageShape,
  MAX_CHANNELS,
  refuseLongAnimation,
} from './header.js';
import { decodeHeic, type RawPixels } from './heic.js';
import { withProfile } from './profiled.js';
import { hasNativeHeic, sharp } from './sharp.js';

export interface OpenOptions extends HeaderOptions {
  /** Whether all frames of an animation are opened instead of the first. */
  readonly animated?: boolean;
  /** Maximum time for decoding and processing in milliseconds. Default 120 s. */
  readonly timeout?: number;
  readonly signal?: AbortSignal | undefined;
  /** Path of ffmpeg, for formats that only ffmpeg decodes; absent if it is not installed. */
  readonly ffmpeg?: string | undefined;
  /** Longer side of the result, if known. */
  readonly within?: number | undefined;
}

/** The result made from a picture, and the fault of the picture if it is damaged. */
export interface Shown<T> {
  readonly result: T;
  /** A sentence for clients; null if the picture is intact. */
  readonly damage: string | null;
}

/** A bitmap is loaded into memory as a whole, in addition to its pixels. */
const MAX_BITMAP = 200 * 1024 * 1024;

async function readBitmap(file: string): Promise<RawPixels> {
  const { size } = await fs.stat(file);
  if (size > MAX_BITMAP) throw invalidMedia(`The bitmap is larger than ${MAX_BITMAP / 1024 / 1024} MB`);
  return decodeBmp(await fs.readFile(file));
}

/** Whether libvips does not read the format, so that it receives only pixels. */
export const isDecodedHere = ({ isHevc, isBitmap, isForeign }: ImageShape): boolean =>
  isBitmap || isForeign || (isHevc && !hasNativeHeic());

/** An image from pixels that were decoded elsewhere, in the colours of their profile. */
export function fromPixels(decoded: RawPixels, profile: Uint8Array | undefined, limitInputPixels: number): Sharp {
  if (profile) return sharp(withProfile(decoded, profile), { limitInputPixels });
  const { width, height, data } = decoded;
  return sharp(data, { raw: { width, height, channels: 4 }, limitInputPixels });
}

/** Rotating a picture by 90° reads its rows out of order. */
const needsRandomAccess = ({ orientation }: ImageShape): boolean => orientation > 1;

/** The unusual properties that remain when another decoder has returned the pixels. */
const inEightBits = (unusual: Unusual): Unusual => ({ ...unusual, bits: 8, isScientific: false, extraSamples: 0 });

/** Makes the result from an open picture. */
type Work<T> = (image: Sharp) => Promise<T>;

async function fromDecoded<T>(
  file: string,
  shape: ImageShape,
  { timeout = 120_000, maxPixels = DEFAULT_MAX_PIXELS, signal, within, ffmpeg }: OpenOptions,
  work: Work<T>,
): Promise<Shown<T>> {
  const decoded = await (shape.isForeign
    ? decodeForeign(file, shape.kind.mime, shape, { ffmpeg, timeout, signal })
    : shape.isBitmap
      ? readBitmap(file)
      : decodeHeic(file, signal));
  const { unusual } = shape;
  // libheif returns 8 bits for any depth. After tone mapping the profile no longer applies.
  const profile = unusual?.hdr ? undefined : shape.profile;
  const opened = fromPixels(decoded, profile, maxPixels).timeout({ seconds: Math.ceil(timeout / 1000) });
  const image = unusual
    ? await displayable(opened, inEightBits(unusual), { within, limitInputPixels: maxPixels })
    : opened;
  const damage = decoded.damage ? damageRemark(decoded.damage) : shape.damage;
  return { result: await work(image), damage };
}

/**
 * Opens any accepted image, including HEIC, upright, and runs a pipeline on it. A damaged picture is shown as far as it
 * can be read.
 * @param shape from its header, which was checked against the same limits
 * @param work the pipeline; it is called again with the readable part of a picture that turned out to be damaged
 * @throws MediaError
 */
export async function withImage<T>(
  file: string,
  shape: ImageShape,
  options: OpenOptions,
  work: Work<T>,
): Promise<Shown<T>> {
  const { animated = false, timeout = 120_000, maxPixels = DEFAULT_MAX_PIXELS, signal } = options;
  if (signal?.aborted) throw new MediaError('cancelled', 'The work was cancelled');
  const moving = animated && shape.frames > 1;
  if (moving) refuseLongAnimation(shape, options);
  // The header was checked against the limit. The frames of an animation are stacked in one tall image.
  const pixels = shape.width * shape.height * (moving ? shape.frames : 1);
  const attempt = async (
    input: string | Buffer,
    failOn: SharpOptions['failOn'],
    unusual = shape.unusual,
    frames = -1,
  ): Promise<T> => {
    const image = sharp(input, {
      failOn,
      limitInputPixels: Math.max(maxPixels, pixels),
      limitInputChannels: MAX_CHANNELS,
      sequentialRead: !needsRandomAccess(shape),
      ...(moving && { pages: frames }),
      ...(unusual?.hdr && { ignoreIcc: true }),
    }).timeout({ seconds: Math.ceil(timeout / 1000) });
    if (moving) return work(image);
    const upright = image.autoOrient();
    return work(
      unusual ? await displayable(upright, unusual, { within: options.within, limitInputPixels: maxPixels }) : upright,
    );
  };
  try {
    if (isDecodedHere(shape)) return await fromDecoded(file, shape, options, work);
    const input = shape.bytes ?? file;
    try {
      const strictness = shape.kind.mime === 'image/jpeg' ? 'warning' : 'error';
      return { result: await attempt(input, strictness), damage: shape.damage };
    } catch (error) {
      if (!mayBeDamage(error)) throw error;
      const repairs = moving ? undefined : { ffmpeg: options.ffmpeg, timeout, signal, size: shape };
      const shown = lenient(file, shape, { input, fault: error, repairs }, (from) => {
        const isDecoded = Buffer.isBuffer(from) && from !== input && shape.kind.mime === 'image/avif';
        return attempt(from, 'none', isDecoded && shape.unusual ? inEightBits(shape.unusual) : shape.unusual);
      });
      if (!moving) return await shown;
      return await shown.catch(async () => {
        const frames = await readableFrames(input, shape.frames);
        if (frames === 0) throw error;
        const result = await attempt(input, 'none', shape.unusual, frames);
        return { result, damage: shape.damage ?? damageRemark(messageOf(error), [file]) };
      });
    }
  } catch (error) {
    throw toMediaError(error, file);
  }
}

/** A picture that the strict decoder refused. */
interface Failed {
  readonly input: string | Buffer;
  /** The error of the strict decoder. */
  readonly fault: unknown;
  /** Absent for animations: repairs look at the first frame. */
  readonly repairs: RepairOptions | undefined;
}

async function lenient<T>(
  file: string,
  shape: ImageShape,
  { input, fault, repairs }: Failed,
  attempt: (input: string | Buffer) => Promise<T>,
): Promise<Shown<T>> {
  const message = messageOf(fault);
  const show = async (from: string | Buffer): Promise<Shown<T>> => {
    const result = await attempt(from);
    if (isHarmless(message)) return { result, damage: shape.damage };
    if (!(await hasPixels(from))) throw fault;
    return { result, damage: shape.damage ?? damageRemark(message, [file]) };
  };
  try {
    return await show(input);
  } catch {
    const repaired = repairs && (await repairedBytes(file, shape.kind, repairs));
    if (!repaired) throw fault;
    return await show(repaired).catch((): never => {
      throw fault;
    });
  }
}

const TOO_LARGE = /too large for the \w+ format/i;

/** Whether a pipeline failed because of the picture itself, and not because of time, memory or the target. */
const mayBeDamage = (error: unknown): boolean =>
  !(error instanceof MediaError) && !TOO_LARGE.test(messageOf(error)) && !/timeout|pixel limit/i.test(messageOf(error));

/** Converts the error of a pipeline into one of the platform. */
function toMediaError(cause: unknown, file: string): MediaError {
  if (cause instanceof MediaError) return cause;
  const message = messageOf(cause);
  const limit = TOO_LARGE.exec(message)?.[0];
  if (limit) return invalidMedia(`The picture cannot be written: it is ${limit}; ask for a smaller size`, cause);
  if (/timeout/i.test(message)) return new MediaError('timeout', 'The image took too long to process', { cause });
  return invalidMedia(`The image cannot be decoded: ${safeReason(message, [file])}`, cause);
}

/** Runs a pipeline on pixels of our own. @throws MediaError */
export const rendered = async <T>(work: Promise<T>, file: string): Promise<T> => {
  try {
    return await work;
  } catch (cause) {
    throw toMediaError(cause, file);
  }
};
