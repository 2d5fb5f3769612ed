/** The formats in which libvips writes images, with their options. */
import type { Sharp } from 'sharp';

export interface EncodeOptions {
  readonly quality: number;
  readonly lossless?: boolean;
  /** Makes a JPEG about 4 % smaller, for six bytes of memory per pixel: for small pictures. */
  readonly compact?: boolean;
}

/** Formats that libvips writes for this package. */
export type EncodedFormat = 'jpg' | 'png' | 'webp' | 'gif' | 'tiff' | 'avif';

export const MIME_OF_FORMAT: Readonly<Record<EncodedFormat | 'bmp', string>> = {
  jpg: 'image/jpeg',
  png: 'image/png',
  webp: 'image/webp',
  gif: 'image/gif',
  tiff: 'image/tiff',
  avif: 'image/avif',
  bmp: 'image/bmp',
};

/** Formats without transparency. */
export const isOpaque = (format: EncodedFormat | 'bmp'): boolean => format === 'jpg';

/** Adds the encoder of a format to a pipeline. */
export function encodeAs(image: Sharp, format: EncodedFormat, options: EncodeOptions): Sharp {
  const { quality, lossless = false, compact = false } = options;
  switch (format) {
    case 'jpg':
      return image.jpeg({ quality, optimiseCoding: compact });
    case 'png':
      return image.png({ compressionLevel: 6 });
    case 'webp':
      return image.webp({ quality, lossless });
    case 'gif':
      return image.gif();
    case 'tiff':
      return image.tiff({ compression: 'lzw', predictor: 'horizontal' });
    case 'avif':
      // Higher effort takes seconds for one photo and saves a few per cent.
      return image.avif({ quality, lossless, effort: 2 });
  }
}
