/** Makes thumbnails of images. */
import type { Sharp } from 'sharp';
import { type EncodedFormat, encodeAs } from './encode.js';
import { imageShape } from './header.js';
import { type OpenOptions, withImage } from './open.js';
import { type Size, type SizeRequest, scaleTo, thumbnailSize } from './size.js';

export interface PictureOptions {
  readonly format: EncodedFormat;
  /** 1 to 100. */
  readonly quality: number;
  /** Background behind transparency. */
  readonly background: string;
}

export interface ImageThumbnailOptions extends OpenOptions, PictureOptions, SizeRequest {}

export interface WrittenPicture extends Size {
  /** Bytes. */
  readonly size: number;
}

/** Ends a pipeline by writing a small opaque sRGB picture without metadata. */
export async function writePicture(image: Sharp, target: string, options: PictureOptions): Promise<WrittenPicture> {
  const flat = image.flatten({ background: options.background }).toColourspace('srgb');
  const { width, height, size } = await encodeAs(flat, options.format, { ...options, compact: true }).toFile(target);
  return { width, height, size };
}

/** A picture made from one that may be damaged. */
export interface WrittenThumbnail extends WrittenPicture {
  /** The fault of a damaged source. */
  readonly damage: string | null;
}

/**
 * Writes a thumbnail of an image: upright, flattened, never enlarged. JPEG and WebP are shrunk while they load.
 * @throws MediaError
 */
export async function imageThumbnail(
  source: string,
  target: string,
  options: ImageThumbnailOptions,
): Promise<WrittenThumbnail> {
  const scale = (picture: Size): number => scaleTo(picture, thumbnailSize(picture, options), 'outside');
  const shape = await imageShape(source, { ...options, scale });
  const size = thumbnailSize(shape, options);
  const opened = { ...options, within: Math.max(size.width, size.height) };
  const { result, damage } = await withImage(source, shape, opened, (pixels) =>
    writePicture(pixels.resize({ ...size, fit: 'fill' }), target, options),
  );
  return { ...result, damage };
}
