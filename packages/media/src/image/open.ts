import fs from 'node:fs/promises';
import type { Sharp, SharpOptions } from 'sharp';
import { invalidMedia, MediaError, safeReason } from '../errors.js';
import { decodeBmp } from './bmp-decode.js';
import { DEFAULT_MAX_PIXELS, type HeaderOptions, type ImageShape, refuseLongAnimation } from './header.js';
import { decodeHeic, type RawPixels } from './heic.js';
import { withProfile } from './profiled.js';
import { hasNativeHeic, sharp } from './sharp.js';

export interface OpenOptions extends HeaderOptions {
  /** All frames of an animation instead of the first. */
  readonly animated?: boolean;
  /** Milliseconds for the decoding and what follows it. Default 120 s. */
  readonly timeout?: number;
  readonly signal?: AbortSignal | undefined;
}

/** A bitmap is held in memory whole, and its pixels beside it. */
const MAX_BITMAP = 200 * 1024 * 1024;

async function readBitmap(file: string): Promise<RawPixels> {
  const { size } = await fs.stat(file);
  if (size > MAX_BITMAP) throw invalidMedia(`The bitmap is larger than ${MAX_BITMAP / 1024 / 1024} MB`);
  return decodeBmp(await fs.readFile(file));
}

/** Whether libvips does not read the format, so that it is given pixels and nothing else. */
export const isDecodedHere = ({ isHevc, isBitmap }: ImageShape): boolean => isBitmap || (isHevc && !hasNativeHeic);

/** Pixels that were decoded elsewhere, in the colours of their profile. */
export function fromPixels(decoded: RawPixels, profile: Uint8Array | undefined, limitInputPixels: number): Sharp {
  if (profile) return sharp(withProfile(decoded, profile), { limitInputPixels });
  const { width, height, data } = decoded;
  return sharp(data, { raw: { width, height, channels: 4 }, limitInputPixels });
}

/**
 * Opens any accepted image, HEIC included, upright; nothing is decoded yet (but HEIC and BMP).
 * @param shape from its header, which was checked against the same limits
 * @throws MediaError
 */
export async function openImage(file: string, shape: ImageShape, options: OpenOptions = {}): Promise<Sharp> {
  const { animated = false, timeout = 120_000, maxPixels = DEFAULT_MAX_PIXELS, signal } = options;
  if (signal?.aborted) throw new MediaError('cancelled', 'The work was cancelled');
  const seconds = Math.ceil(timeout / 1000);
  if (isDecodedHere(shape)) {
    const decoded = await (shape.isBitmap ? readBitmap(file) : decodeHeic(file, signal));
    return fromPixels(decoded, shape.profile, maxPixels).timeout({ seconds });
  }
  const moving = animated && shape.frames > 1;
  if (moving) refuseLongAnimation(shape, maxPixels);
  const input: SharpOptions = {
    failOn: 'error',
    // The header was checked against the limit; an animation's frames lie one below the other in one tall image.
    limitInputPixels: maxPixels,
    sequentialRead: !needsRandomAccess(shape),
    ...(moving && { animated: true }),
  };
  const image = sharp(file, input).timeout({ seconds });
  return moving ? image : image.autoOrient();
}

/** Turning a picture by a quarter reads its rows out of order. */
const needsRandomAccess = ({ orientation }: ImageShape): boolean => orientation > 1;

/** Runs a pipeline and says in the platform's words why it failed. */
export async function rendered<T>(work: Promise<T>, file: string): Promise<T> {
  try {
    return await work;
  } catch (cause) {
    if (cause instanceof MediaError) throw cause;
    const message = cause instanceof Error ? cause.message : String(cause);
    const limit = /too large for the \w+ format/i.exec(message)?.[0];
    if (limit) throw invalidMedia(`The picture cannot be written: it is ${limit}; ask for a smaller size`, cause);
    if (/timeout/i.test(message)) throw new MediaError('timeout', 'The image took too long to process', { cause });
    throw invalidMedia(`The image cannot be decoded: ${safeReason(message, [file])}`, cause);
  }
}
