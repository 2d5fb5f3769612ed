/**
 * The only door to sharp: libvips learns before it loads that only well-tested decoders may run (no SVG, PDF, PPM, raw
 * camera or ImageMagick loader), and only those of the formats listed here.
 */
// libvips reads this once, while the native module loads; it can be said in no other way.
process.env.VIPS_BLOCK_UNTRUSTED = '1';
const { default: sharp } = await import('sharp');

sharp.block({ operation: ['VipsForeignLoad'] });
sharp.unblock({
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
sharp.cache(false);

export { sharp };
/** Decoders of HEVC are rarely built in; where this libvips has one, HEIC needs no detour. */
export const hasNativeHeic: boolean = (sharp.format.heif.input.fileSuffix ?? []).includes('.heic');
