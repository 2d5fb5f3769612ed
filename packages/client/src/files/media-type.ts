/** A first guess for the `Content-Type` of a part. The server decides by content; only the common ones are here. */
const TYPES: Readonly<Record<string, string>> = {
  jpg: 'image/jpeg',
  jpeg: 'image/jpeg',
  png: 'image/png',
  gif: 'image/gif',
  webp: 'image/webp',
  avif: 'image/avif',
  heic: 'image/heic',
  heif: 'image/heif',
  tif: 'image/tiff',
  tiff: 'image/tiff',
  bmp: 'image/bmp',
  svg: 'image/svg+xml',
  dng: 'image/x-adobe-dng',
  cr2: 'image/x-canon-cr2',
  nef: 'image/x-nikon-nef',
  arw: 'image/x-sony-arw',
  mp4: 'video/mp4',
  m4v: 'video/mp4',
  mov: 'video/quicktime',
  mkv: 'video/x-matroska',
  webm: 'video/webm',
  avi: 'video/x-msvideo',
  mpg: 'video/mpeg',
  mpeg: 'video/mpeg',
  mts: 'video/mp2t',
  m2ts: 'video/mp2t',
  '3gp': 'video/3gpp',
  mp3: 'audio/mpeg',
  m4a: 'audio/mp4',
  flac: 'audio/flac',
  wav: 'audio/wav',
  ogg: 'audio/ogg',
  pdf: 'application/pdf',
};

const extension = (name: string): string => /\.([^./\\]+)$/.exec(name)?.[1]?.toLowerCase() ?? '';

/**
 * Media type by extension; `application/octet-stream` for an unknown one.
 *
 * @example
 * ```ts
 * const type = sdk.mediaTypeOf('photo.HEIC');
 * ```
 */
export const mediaTypeOf = (name: string): string => TYPES[extension(name)] ?? 'application/octet-stream';

/**
 * Whether a name looks like a photo, a video or a sound.
 *
 * @example
 * ```ts
 * const media = files.filter(sdk.isMediaName);
 * ```
 */
export const isMediaName = (name: string): boolean => /^(image|video|audio)\//.test(mediaTypeOf(name));
