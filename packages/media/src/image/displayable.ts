/**
 * Pictures that libvips decodes but does not display correctly: HDR, numbers that are not bytes, samples beyond alpha.
 */
import type { Sharp } from 'sharp';
import type { Hdr } from '../colour/hdr.js';
import { toneMap } from '../colour/tone-map.js';
import { invalidMedia } from '../errors.js';
import { sharp } from './sharp.js';

export interface Unusual {
  /** Set if its numbers mean brightness beyond white. */
  readonly hdr: Hdr | undefined;
  /** Bits of a sample. */
  readonly bits: number;
  /** Whether its samples are floats, signed numbers, or integers with more than 16 bits. */
  readonly isScientific: boolean;
  /** Number of samples beyond colours and transparency: masks, depth, further spectral bands. */
  readonly extraSamples: number;
}

/** Maximum number of bytes of a picture with extra samples, which is loaded into memory as a whole. */
const MAX_RAW = 512 * 1024 * 1024;

interface Target {
  /** Longer side of the result, if known: then the picture is shrunk first. */
  readonly within: number | undefined;
  readonly limitInputPixels: number;
}

/**
 * Converts the picture to 8-bit sRGB, with the same number of pixels or fewer. The caller resizes it to the requested
 * size.
 * @param image upright, without its profile
 */
export async function displayable(image: Sharp, unusual: Unusual, target: Target): Promise<Sharp> {
  if (unusual.extraSamples > 0) return withoutExtraSamples(image, unusual.extraSamples, target);
  if (unusual.hdr) return fromHdr(image, unusual.hdr, unusual.bits, target);
  return unusual.isScientific ? scaled(image) : image;
}

function shrunk(image: Sharp, { within }: Target): Sharp {
  if (within === undefined) return image;
  return image.resize({ width: within, height: within, fit: 'outside', withoutEnlargement: true });
}

async function fromHdr(image: Sharp, hdr: Hdr, bits: number, target: Target): Promise<Sharp> {
  const deep = bits > 8;
  const { data, info } = await shrunk(image, target)
    .toColourspace(deep ? 'rgb16' : 'srgb')
    .raw({ depth: deep ? 'ushort' : 'uchar' })
    .toBuffer({ resolveWithObject: true });
  const channels = info.channels === 4 ? (4 as const) : (3 as const);
  const numbers = deep ? new Uint16Array(data.buffer, data.byteOffset, data.length / 2) : data;
  // 10 bits are stored in the upper part of 16.
  const top = deep ? (2 ** bits - 1) * 2 ** (16 - bits) : 255;
  const mapped = toneMap({ data: numbers, channels, top }, hdr);
  const raw = { width: info.width, height: info.height, channels };
  return sharp(mapped, { raw, limitInputPixels: target.limitInputPixels });
}

/** Floats between 0 and 1 range from black to white; other ranges are scaled to bytes. */
async function scaled(image: Sharp): Promise<Sharp> {
  const { channels } = await image.clone().stats();
  const min = Math.min(...channels.map((channel) => channel.min));
  const max = Math.max(...channels.map((channel) => channel.max));
  if (!Number.isFinite(min) || !Number.isFinite(max)) throw invalidMedia('The image has pixels that are not numbers');
  const [from, to] = min < 0 || max > 255 ? [min, max] : [0, max > 1 ? 255 : 1];
  const factor = 255 / (to - from || 1);
  return image.linear(factor, -from * factor);
}

async function withoutExtraSamples(image: Sharp, extra: number, target: Target): Promise<Sharp> {
  const { width, height, channels: stored = 4 } = await image.metadata();
  if (width * height * stored > MAX_RAW) throw invalidMedia('The image has too many samples per pixel for its size');
  const { data, info } = await image.raw({ depth: 'uchar' }).toBuffer({ resolveWithObject: true });
  const from: number = info.channels;
  const channels = Math.max(1, from - extra) as 1 | 2 | 3 | 4;
  const kept = new Uint8Array((data.length / from) * channels);
  for (let pixel = 0; pixel * from < data.length; pixel++)
    for (let channel = 0; channel < channels; channel++)
      kept[pixel * channels + channel] = data[pixel * from + channel] ?? 0;
  const raw = { width: info.width, height: info.height, channels };
  return sharp(kept, { raw, limitInputPixels: target.limitInputPixels });
}
