import type { Sharp } from 'sharp';
import { type EncodedFormat, encodeAs } from './encode.js';
import { imageShape } from './header.js';
import { type OpenOptions, openImage, rendered } from './open.js';
import { type Size, type SizeRequest, thumbnailSize } from './size.js';

export interface PictureOptions {
  readonly format: EncodedFormat;
  /** 1 to 100. */
  readonly quality: number;
  /** Behind transparency. */
  readonly background: string;
}

export interface ImageThumbnailOptions extends OpenOptions, PictureOptions, SizeRequest {}

export interface WrittenPicture extends Size {
  /** Bytes. */
  readonly size: number;
}

/** Ends a pipeline as a small opaque sRGB picture without metadata. */
export async function writePicture(image: Sharp, target: string, source: string, options: PictureOptions) {
  const flat = image.flatten({ background: options.background }).toColourspace('srgb');
  const encoded = encodeAs(flat, options.format, { ...options, compact: true });
  const { width, height, size } = await rendered(encoded.toFile(target), source);
  return { width, height, size };
}

/**
 * Writes a thumbnail of an image: upright, flattened, never enlarged; JPEG and WebP are shrunk while they load.
 * @throws MediaError
 */
export async function imageThumbnail(
  source: string,
  target: string,
  options: ImageThumbnailOptions,
): Promise<WrittenPicture> {
  const shape = await imageShape(source, options);
  const pixels = await openImage(source, shape, options);
  const size = thumbnailSize(shape, options);
  return writePicture(pixels.resize({ ...size, fit: 'fill' }), target, source, options);
}
