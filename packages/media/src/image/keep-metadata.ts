/** Keeps EXIF and XMP when an image is converted. */
import { MediaError } from '../errors.js';
import type { CopyOptions } from '../exif/copy.js';
import type { EncodedFormat } from './encode.js';
import type { ImageHeader } from './header.js';
import { isDecodedHere } from './open.js';

/**
 * Copies EXIF and XMP if libvips does not: it writes no EXIF into a TIFF, and it sees only the pixels of a HEIC that
 * was decoded elsewhere.
 * @returns why the result lacks them; null if it has them, or if the source has none
 */
export async function keepMetadata(
  source: string,
  target: string,
  header: ImageHeader,
  format: EncodedFormat | 'bmp',
  options: CopyOptions,
): Promise<string | null> {
  const { exif, xmp } = header.metadata;
  const apart = isDecodedHere(header) || header.unusual !== undefined;
  if (!exif && !(apart && xmp)) return null;
  if (format === 'gif' || format === 'bmp') return `There is no place for EXIF in ${format}`;
  if (!apart && format !== 'tiff') return null;
  try {
    const { copyMetadata } = await import('../exif/copy.js');
    await copyMetadata(source, target, options);
    return null;
  } catch (error) {
    if (error instanceof MediaError && error.code !== 'cancelled') return `EXIF was not kept. ${error.message}`;
    throw error;
  }
}
