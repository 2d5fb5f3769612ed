/** Decodes images to raw pixels. */
import { imageShape } from './header.js';
import { type OpenOptions, withImage } from './open.js';
import { type Size, scaleTo } from './size.js';

export interface DecodeOptions extends OpenOptions {
  /**
   * Size of the result. With one side given, the other follows the aspect ratio; with none, the image keeps its size.
   */
  readonly width?: number;
  readonly height?: number;
  /**
   * How different aspect ratios are handled: stretched, cropped to the centre, or fitted inside (smaller on one side).
   */
  readonly fit?: 'fill' | 'cover' | 'inside';
  readonly kernel?: 'nearest' | 'linear' | 'cubic' | 'lanczos3';
  /** Whether a smaller image is enlarged to the size. Default true for `fill` and `cover`. */
  readonly enlarge?: boolean;
  /** Background behind transparency. Default white. */
  readonly background?: string;
}

/** 8-bit sRGB, three bytes for each pixel, rows from the top. */
export interface DecodedImage {
  readonly data: Uint8Array;
  readonly width: number;
  readonly height: number;
  /** Size of the upright original in pixels. */
  readonly original: { readonly width: number; readonly height: number };
  /** The fault of a damaged picture. */
  readonly damage: string | null;
}

/**
 * Decodes any accepted image to raw sRGB pixels, upright, in the requested size. JPEG and WebP are shrunk while they
 * load.
 * @throws MediaError
 */
export async function decodeImage(file: string, options: DecodeOptions = {}): Promise<DecodedImage> {
  const {
    width,
    height,
    fit = 'fill',
    kernel = 'lanczos3',
    enlarge = fit !== 'inside',
    background = '#ffffff',
  } = options;
  const scale = (picture: Size): number => scaleTo(picture, { width, height }, fit === 'inside' ? 'inside' : 'outside');
  const shape = await imageShape(file, { ...options, scale });
  const { result, damage } = await withImage(file, shape, { ...options, within: longer(width, height) }, (pixels) => {
    const sized =
      width === undefined && height === undefined
        ? pixels
        : pixels.resize({ width, height, fit, kernel, withoutEnlargement: !enlarge });
    const flat = sized.flatten({ background }).toColourspace('srgb');
    return flat.raw({ depth: 'uchar' }).toBuffer({ resolveWithObject: true });
  });
  const { data, info } = result;
  return {
    data: info.channels === 3 ? data : toRgb(data, info.channels),
    width: info.width,
    height: info.height,
    original: { width: shape.width, height: shape.height },
    damage,
  };
}

const longer = (width = 0, height = 0): number | undefined => Math.max(width, height) || undefined;

/** libvips keeps one channel for a grey source in sRGB. */
function toRgb(data: Uint8Array, channels: number): Uint8Array {
  const pixels = data.length / channels;
  const rgb = new Uint8Array(pixels * 3);
  for (let i = 0; i < pixels; i++) {
    const from = i * channels;
    const grey = channels < 3;
    rgb[i * 3] = data[from] ?? 0;
    rgb[i * 3 + 1] = data[grey ? from : from + 1] ?? 0;
    rgb[i * 3 + 2] = data[grey ? from : from + 2] ?? 0;
  }
  return rgb;
}
