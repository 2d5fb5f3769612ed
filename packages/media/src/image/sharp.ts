/**
 * The only door to sharp: libvips learns before it loads that only well-tested decoders may run (no SVG, PDF, PPM, raw
 * camera or ImageMagick loader), and only those of the formats listed here.
 */
import { createRequire } from 'node:module';
import type { Sharp as Image, default as Sharp, SharpInput, SharpOptions } from 'sharp';

type Library = typeof Sharp;
let library: Library | undefined;

/** Loaded at the first picture: libvips takes 0.1 s and 20 MB, and many processes never see one. */
function load(): Library {
  if (library) return library;
  // libvips reads this once, while the native module loads; it can be said in no other way.
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
  // Files come once each; a cache would only hold their memory.
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

/** Decoders of HEVC are rarely built in; where this libvips has one, HEIC needs no detour. */
export const hasNativeHeic = (): boolean => (load().format.heif.input.fileSuffix ?? []).includes('.heic');
