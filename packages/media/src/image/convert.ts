/** Converts images to other formats. */
import fs from 'node:fs/promises';
import type { Sharp } from 'sharp';
import type { CopyOptions } from '../exif/copy.js';
import { encodeBmp } from './bmp-encode.js';
import { type EncodedFormat, encodeAs, isOpaque } from './encode.js';
import { type ImageHeader, imageHeader } from './header.js';
import { keepMetadata } from './keep-metadata.js';
import { type OpenOptions, withImage } from './open.js';
import { type Size, scaleTo } from './size.js';

export interface ConvertOptions extends OpenOptions, Pick<CopyOptions, 'exiftool' | 'scratch'> {
  readonly format: EncodedFormat | 'bmp';
  /** 1 to 100, for jpg, webp and avif. */
  readonly quality: number;
  readonly lossless?: boolean;
  /** The result fits into width × height; it is never enlarged. */
  readonly width?: number | null;
  readonly height?: number | null;
  /** Background for formats without transparency. */
  readonly background?: string;
  /** Whether EXIF, XMP and the colour profile are kept. */
  readonly keepMetadata?: boolean;
}

export interface WrittenImage {
  readonly width: number;
  readonly height: number;
  /** Bytes. */
  readonly size: number;
  /** Number of frames; more than 1 for an animation. */
  readonly frames: number;
  /** Why the result lacks EXIF although it should be kept. */
  readonly metadataError: string | null;
  /** The fault of a damaged source. */
  readonly damage: string | null;
}

const canMove = (format: string): boolean => format === 'gif' || format === 'webp';
/** Whether the profile of the source describes other channels than those that are written. */
const isForeignSpace = ({ metadata }: ImageHeader): boolean =>
  metadata.space !== undefined && !['srgb', 'rgb', 'rgb16'].includes(metadata.space);

/** libvips resets the orientation in EXIF, because the picture is upright now; XMP may contain it as well. */
function keepXmp(image: Sharp, { metadata }: ImageHeader): Sharp {
  const before = metadata.xmp?.toString('utf8') ?? '';
  const after = before.replace(/(tiff:Orientation(?:=["']|>))[2-8]/g, (_, start: string) => `${start}1`);
  return after === before ? image.keepXmp() : image.withXmp(after);
}

function withMetadata(image: Sharp, header: ImageHeader, { format, keepMetadata: keep = true }: ConvertOptions): Sharp {
  if (!keep) return image.toColourspace('srgb');
  const described = keepXmp(image.keepExif(), header);
  // Numbers that mean other colours than sRGB mean nothing without their profile, and a GIF has no place for one.
  const mayKeepProfile = format !== 'gif' && !isForeignSpace(header) && !header.unusual;
  return mayKeepProfile ? described.keepIccProfile() : described.toColourspace('srgb');
}

/** Whether 16-bit channels stay, which depends on the target. */
const staysDeep = ({ metadata, unusual }: ImageHeader, format: string): boolean =>
  metadata.depth === 'ushort' && !unusual && (format === 'png' || format === 'tiff');

/**
 * Converts an image to another format: upright, with its metadata and colour profile, and animated if the target format
 * supports it.
 * @throws MediaError
 */
export async function convertImage(source: string, target: string, options: ConvertOptions): Promise<WrittenImage> {
  const { format, keepMetadata: keep = true, exiftool, scratch, signal } = options;
  const asked = { ...(options.width && { width: options.width }), ...(options.height && { height: options.height }) };
  const scale = (picture: Size): number => scaleTo(picture, asked, 'inside');
  const header = await imageHeader(source, { ...options, scale });
  const within = Math.max(options.width ?? 0, options.height ?? 0) || undefined;
  const opened = { ...options, scale, animated: canMove(format), within };
  const { result, damage } = await withImage(source, header, opened, (pixels) =>
    writeImage(pixels, header, target, options),
  );
  const metadataError = keep ? await keepMetadata(source, target, header, format, { exiftool, scratch, signal }) : null;
  const { size } = await fs.stat(target);
  return { ...result, size, metadataError, damage };
}

type Dimensions = Pick<WrittenImage, 'width' | 'height' | 'frames'>;

async function writeImage(
  pixels: Sharp,
  header: ImageHeader,
  target: string,
  options: ConvertOptions,
): Promise<Dimensions> {
  const { format, quality, lossless = false, background = '#ffffff', width, height } = options;
  let image = pixels;
  if (width || height)
    image = image.resize({
      ...(width && { width }),
      ...(height && { height }),
      fit: 'inside',
      withoutEnlargement: true,
    });
  if (isOpaque(format)) image = image.flatten({ background });
  if (format === 'bmp') return writeBmp(image, target);
  image = withMetadata(image, header, options);
  if (staysDeep(header, format)) image = image.toColourspace('rgb16');
  const info = await encodeAs(image, format, { quality, lossless }).toFile(target);
  // The number of frames written: a truncated file has fewer than its header says.
  return { width: info.width, height: info.pageHeight ?? info.height, frames: info.pages ?? 1 };
}

async function writeBmp(image: Sharp, target: string): Promise<Dimensions> {
  const raw = image.toColourspace('srgb').raw({ depth: 'uchar' });
  const { data, info } = await raw.toBuffer({ resolveWithObject: true });
  const { width, height, channels } = info;
  const bytes =
    channels === 3 || channels === 4
      ? encodeBmp(data, width, height, channels)
      : encodeBmp(spread(data, channels), width, height, channels === 2 ? 4 : 3);
  await fs.writeFile(target, bytes);
  return { width, height, frames: 1 };
}

/** Converts grey, with or without alpha, to RGB or RGBA. */
function spread(data: Uint8Array, channels: number): Uint8Array {
  const to = channels === 2 ? 4 : 3;
  const out = new Uint8Array((data.length / channels) * to);
  for (let i = 0; i * channels < data.length; i++) {
    out.fill(data[i * channels] ?? 0, i * to, i * to + 3);
    if (to === 4) out[i * to + 3] = data[i * channels + 1] ?? 255;
  }
  return out;
}
