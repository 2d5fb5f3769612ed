/** Reads the headers of images and refuses what must not be decoded. */
import fs from 'node:fs/promises';
import type { Metadata } from 'sharp';
import { hdrOfPng, hdrOfProfile } from '../colour/hdr.js';
import { hdrOfHeif } from '../colour/nclx.js';
import { invalidMedia, MediaError, safeReason, unsupportedMediaKind } from '../errors.js';
import type { MediaKind } from '../sniff/kinds.js';
import { directoryOfTiff } from '../sniff/raw.js';
import { readHead, sniffHead } from '../sniff/sniff.js';
import { BMP_HEAD, readBmpHeader } from './bmp-decode.js';
import { damageRemark, paddedFile, promisedSize } from './damaged.js';
import type { Unusual } from './displayable.js';
import { FOREIGN } from './foreign.js';
import { jpegShape } from './jpeg-header.js';
import { refuseTextBomb } from './png-texts.js';
import { RAW_KINDS, rawPreview, withOrientation } from './raw-preview.js';
import { sharp } from './sharp.js';
import type { Size } from './size.js';

/** Larger images are refused if the caller sets no limit: 150 megapixels. */
export const DEFAULT_MAX_PIXELS = 150_000_000;
/** Maximum number of frames of an animation that are decoded. */
const MAX_FRAMES = 2000;

const READABLE = new Set([
  'image/jpeg',
  'image/png',
  'image/apng',
  'image/webp',
  'image/gif',
  'image/bmp',
  'image/tiff',
  'image/avif',
  'image/heic',
  'image/heif',
  'image/heic-sequence',
  'image/heif-sequence',
  ...Object.keys(RAW_KINDS),
  ...Object.keys(FOREIGN),
]);

const PNG = new Set(['image/png', 'image/apng']);

/** Facts that are needed before a picture is decoded. */
export interface ImageShape {
  readonly kind: MediaKind;
  /** Pixels as displayed: after orientation. */
  readonly width: number;
  readonly height: number;
  /** EXIF orientation as stored, 1 to 8; 1 if the decoder rotates the picture itself. */
  readonly orientation: number;
  readonly frames: number;
  /** HEVC-coded, which libvips as packaged cannot decode. */
  readonly isHevc: boolean;
  /** A Windows bitmap, which libvips does not read. */
  readonly isBitmap: boolean;
  /** ffmpeg decodes it. */
  readonly isForeign: boolean;
  /** Colour profile of pictures that libvips does not decode. */
  readonly profile?: Uint8Array | undefined;
  /** The fault of the file, as far as its header shows it; null if there is none. */
  readonly damage: string | null;
  /** The bytes to decode instead of the file's own: a repaired file, or the preview of a raw one. */
  readonly bytes?: Buffer | undefined;
  /** Set if the decoder's pixels must be converted before they are displayed. */
  readonly unusual?: Unusual | undefined;
}

export interface ImageHeader extends ImageShape {
  readonly hasAlpha: boolean;
  readonly metadata: Partial<Metadata>;
}

export interface HeaderOptions {
  readonly maxPixels?: number;
  /** The sniffed kind of the file, if known. */
  readonly kind?: MediaKind;
  /** The file's first bytes, if they have been read. */
  readonly head?: Buffer;
  /** Returns the scale of the result relative to the picture, if known: a large JPEG is then shrunk while it loads. */
  readonly scale?: ((picture: Size) => number) | undefined;
  /** An exiftool to use instead of the packaged one, for raw files that hide their previews. */
  readonly exiftool?: string | undefined;
}

function refuseOther(kind: MediaKind): void {
  if (READABLE.has(kind.mime)) return;
  if (kind.mime === 'image/svg+xml')
    throw unsupportedMediaKind(
      'SVG drawings are not rendered, because they can refer to other files; send a PNG of it',
    );
  if (kind.mime === 'application/x-empty') throw invalidMedia('The file is empty');
  throw unsupportedMediaKind(`The file is not an image that can be read (it is ${kind.mime})`);
}

interface ReadMetadata {
  readonly metadata: BitmapMetadata;
  readonly damage: string | null;
  readonly bytes?: Buffer | undefined;
}

/** Maximum number of samples for each pixel; sharp by itself refuses more than five. */
export const MAX_CHANNELS = 16;

/** Lenient, because the header of a damaged picture may be intact. */
const libraryMetadata = (input: string | Buffer): Promise<Metadata> =>
  sharp(input, { limitInputPixels: false, limitInputChannels: MAX_CHANNELS, failOn: 'none' }).metadata();

const CUT_OFF = 'the file ends before the picture does';

/** The header as libvips reads it; for decoders that refuse a truncated file, the missing bytes are padded. */
async function readMetadata(
  file: string,
  kind: MediaKind,
  head: Buffer,
  { exiftool }: HeaderOptions,
): Promise<ReadMetadata> {
  const foreign = FOREIGN[kind.mime];
  if (foreign) return foreignMetadata(foreign.size(head), foreign.name);
  try {
    const bytes = await otherBytes(file, kind, head, exiftool);
    if (bytes) return { metadata: await libraryMetadata(bytes), damage: null, bytes };
    const promised = await promisedSize(file, kind, head);
    if (promised === undefined) return { metadata: await libraryMetadata(file), damage: null };
    const repaired = kind.mime === 'image/webp' ? await paddedFile(file, promised) : undefined;
    return { metadata: await libraryMetadata(repaired ?? file), damage: damageRemark(CUT_OFF), bytes: repaired };
  } catch (cause) {
    if (cause instanceof MediaError) throw cause;
    if (kind.mime === 'image/tiff' && (directoryOfTiff(head) ?? 0) >= (await fs.stat(file)).size)
      throw invalidMedia('The TIFF is cut off: its directory, which locates its pixels, is missing', cause);
    throw invalidMedia(`The image cannot be read: ${safeReason((cause as Error).message, [file])}`, cause);
  }
}

function foreignMetadata(size: Size | undefined, name: string): ReadMetadata {
  if (!size) throw invalidMedia(`The ${name} picture cannot be read: its header is damaged`);
  return { metadata: { ...size, space: 'srgb', depth: 'uchar', channels: 4 }, damage: null };
}

/** Sequences are loaded into memory to be opened as the picture with which they begin. */
const MAX_SEQUENCE = 200 * 1024 * 1024;

/**
 * A picture in a form that libvips knows, extracted from a file that it does not know: a raw file, an AVIF sequence.
 */
async function otherBytes(
  file: string,
  { mime }: MediaKind,
  head: Buffer,
  exiftool: string | undefined,
): Promise<Buffer | undefined> {
  if (RAW_KINDS[mime]) {
    const { jpeg, orientation } = await rawPreview(file, mime, { exiftool });
    return withOrientation(jpeg, orientation);
  }
  if (mime !== 'image/avif' || head.toString('latin1', 8, 12) !== 'avis') return undefined;
  const { size } = await fs.stat(file);
  if (size > MAX_SEQUENCE) throw invalidMedia(`The AVIF sequence is larger than ${MAX_SEQUENCE / 1024 / 1024} MB`);
  const bytes = await fs.readFile(file);
  bytes.write('avif', 8, 'latin1');
  return bytes;
}

type BitmapMetadata = Partial<Metadata> & Pick<Metadata, 'width' | 'height'>;

/** Reads the header of a bitmap, because libvips does not read bitmaps. */
function bitmapMetadata(head: Buffer): ReadMetadata {
  const { width, height, hasAlpha } = readBmpHeader(head.subarray(0, BMP_HEAD));
  return { metadata: { width, height, hasAlpha, space: 'srgb', depth: 'uchar' }, damage: null };
}

/** Factor by which a JPEG that is shrunk while it loads may exceed the limit: it costs time, but little memory. */
const SHRUNK_JPEG = 8;

/** Number of pixels that are decoded of a JPEG at a scale: libjpeg computes a half, a quarter or an eighth. */
function decodedOfJpeg(pixels: number, scale: number): number {
  const factor = [8, 4, 2].find((divisor) => scale * divisor <= 1) ?? 1;
  return pixels / factor ** 2;
}

interface Large extends Size {
  readonly isPlainJpeg: boolean;
}

function refuseLarge({ width, height, isPlainJpeg }: Large, { maxPixels = DEFAULT_MAX_PIXELS, scale }: HeaderOptions) {
  const pixels = width * height;
  if (!(pixels > 0)) throw invalidMedia('The image has no size');
  const isShrunk = isPlainJpeg && scale !== undefined && pixels <= maxPixels * SHRUNK_JPEG;
  if ((isShrunk ? decodedOfJpeg(pixels, scale({ width, height })) : pixels) > maxPixels)
    throw invalidMedia(
      `The image has ${width} × ${height} pixels; at most ${Math.floor(maxPixels / 1e6)} megapixels are accepted`,
    );
}

/**
 * The same refusals and sizes as `imageHeader`, but faster: the first bytes of a usual JPEG are sufficient.
 * @throws MediaError as `imageHeader`
 */
export async function imageShape(file: string, options: HeaderOptions = {}): Promise<ImageShape> {
  const { head = await readHead(file) } = options;
  const { kind = await sniffHead(head, file) } = options;
  const shape = kind.mime === 'image/jpeg' ? jpegShape(head) : undefined;
  if (!shape) return imageHeader(file, { ...options, kind, head });
  const { width, height, orientation, isProgressive } = shape;
  refuseLarge({ width, height, isPlainJpeg: !isProgressive }, options);
  const turned = orientation >= 5;
  return {
    kind,
    width: turned ? height : width,
    height: turned ? width : height,
    orientation,
    frames: 1,
    isHevc: false,
    isBitmap: false,
    isForeign: false,
    damage: null,
  };
}

/** Number of samples of colour models without transparency. */
const COLOURS: Readonly<Record<string, number>> = { 'b-w': 1, grey16: 1, cmyk: 4 };

function unusualOf(kind: MediaKind, metadata: BitmapMetadata, head: Buffer): Unusual | undefined {
  const { space = 'srgb', depth = 'uchar', channels = 3, bitsPerSample, icc } = metadata;
  const isHeif = /^image\/(heic|heif|avif)/.test(kind.mime);
  const isPng = kind.mime === 'image/png' || kind.mime === 'image/apng';
  const hdr = (isPng ? hdrOfPng(head) : isHeif ? hdrOfHeif(head) : undefined) ?? hdrOfProfile(icc);
  const isScientific = depth !== 'uchar' && depth !== 'ushort';
  const extraSamples = Math.max(0, channels - (COLOURS[space] ?? 3) - 1);
  if (!hdr && !isScientific && extraSamples === 0) return undefined;
  return { hdr, bits: bitsPerSample ?? (depth === 'ushort' ? 16 : 8), isScientific, extraSamples };
}

/**
 * Reads an image's header and refuses what must not be decoded.
 * @throws MediaError `unsupported_media` for other files, `invalid_input` for damaged and for too large ones
 */
export async function imageHeader(file: string, options: HeaderOptions = {}): Promise<ImageHeader> {
  const { head = await readHead(file) } = options;
  const { kind = await sniffHead(head, file) } = options;
  refuseOther(kind);
  if (PNG.has(kind.mime)) await refuseTextBomb(file);
  const read = kind.mime === 'image/bmp' ? bitmapMetadata(head) : await readMetadata(file, kind, head, options);
  const { metadata, damage, bytes } = read;
  const { width, height, pages = 1, orientation = 1, hasAlpha = false, autoOrient }: BitmapMetadata = metadata;
  const frames = kind.mime === 'image/gif' || kind.mime === 'image/webp' ? pages : 1;
  refuseLarge({ width, height, isPlainJpeg: kind.mime === 'image/jpeg' && !metadata.isProgressive }, options);
  const isHevc = metadata.format === 'heif' && metadata.compression === 'hevc';
  return {
    kind,
    width: autoOrient?.width ?? width,
    height: autoOrient?.height ?? height,
    orientation,
    frames,
    hasAlpha,
    isHevc,
    isBitmap: kind.mime === 'image/bmp',
    profile: metadata.icc,
    isForeign: FOREIGN[kind.mime] !== undefined,
    damage,
    bytes,
    unusual: unusualOf(kind, metadata, head),
    metadata,
  };
}

/** Reads the size in the first bytes of a PNG, also of one that is refused for its other content. */
export async function statedSize(file: string, kind: MediaKind): Promise<Size | undefined> {
  if (!PNG.has(kind.mime)) return undefined;
  const head = await readHead(file);
  // The signature, length and type of the first chunk, then width and height (PNG specification, 11.2.1 IHDR).
  if (head.length < 24 || head.toString('latin1', 12, 16) !== 'IHDR') return undefined;
  return { width: head.readUInt32BE(16), height: head.readUInt32BE(20) };
}

/**
 * Factor by which all frames of an animation together may exceed the limit if the result is smaller: they are processed
 * one by one.
 */
const SHRUNK_ANIMATION = 16;

/** @throws MediaError if an animation as a whole has more pixels than may be decoded or written */
export function refuseLongAnimation(
  { width, height, frames }: ImageShape,
  { maxPixels = DEFAULT_MAX_PIXELS, scale }: HeaderOptions,
): void {
  const pixels = width * height * frames;
  const written = pixels * Math.min(1, scale?.({ width, height }) ?? 1) ** 2;
  if (frames > MAX_FRAMES || written > maxPixels || pixels > maxPixels * SHRUNK_ANIMATION)
    throw invalidMedia(
      `The animation has ${frames} frames of ${width} × ${height} pixels; at most ${MAX_FRAMES} frames and ` +
        `${Math.floor(maxPixels / 1e6)} megapixels in all are accepted, so ask for a smaller result`,
    );
}
