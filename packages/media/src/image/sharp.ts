/**
 * The only import of sharp: before libvips loads, it is restricted to well-tested decoders (no SVG, PDF, PPM, raw
 * camera or ImageMagick loader) and to the formats listed here.
 */
import { createRequire } from 'node:module';
import type { Sharp as Image, default as Sharp, SharpInput, SharpOptions } from 'sharp';

type Library = typeof Sharp;
let library: Library | undefined;

/**
 * Loads the library at the first picture: libvips takes 0.1 s and 20 MB, and many processes never process a picture.
 */
function load(): Library {
  if (library) return library;
  // libvips reads this variable only once, while the native module loads; there is no other way to set it.
  process.env.VIPS_BLOCK_UNTRUSTED = '1';
  const loaded = createRequire(import.meta.url)('sharp') as Library;
  loaded.block({ operation: ['VipsForeignLoad'] });
  loaded.unblock({
    operation: [
      'VipsForeignLoadJpeg',
      'VipsForeignLoadPng',
      'VipsForeignLoadWebp',
      'VipsForeignLoadNsgif',
      'VipsForeignLoadTiff',
      'VipsForeignLoadHeif',
    ],
  });
  // Each file is read only once; a cache would only keep memory.
  loaded.cache(false);
  library = loaded;
  return loaded;
}

type Input = SharpInput | SharpInput[];
export function sharp(options: SharpOptions): Image;
export function sharp(input: Input, options?: SharpOptions): Image;
export function sharp(input: Input | SharpOptions, options?: SharpOptions): Image {
  return load()(input as Input, options);
}

/** HEVC decoders are rarely built in; if this libvips has one, HEIC needs no separate decoder. */
export const hasNativeHeic = (): boolean => (load().format.heif.input.fileSuffix ?? []).includes('.heic');
