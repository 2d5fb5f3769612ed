/**
 * The picture of a job in the form that models need: upright, on white, in exactly the size of a tensor or in several
 * sizes.
 */

import type { ImagePreprocessing } from '@cl-server/contract';
import {
  type DecodedImage,
  type DecodeOptions,
  decodeImage,
  imageShape,
  isDecodedHere,
  readHeadSync,
  sharp,
  sniffHead,
} from '@cl-server/media';
import { invalidInput, type TaskContext } from '@cl-server/task-kit';
import type { Pyramid, PyramidLevel } from '../faces/pyramid.js';
import type { Pixels } from '../faces/yunet.js';
import { onMedia, pictureOptions } from '../media-error.js';

/** A picture with a shorter side contains nothing that a model could recognize. */
const MIN_SIDE = 8;
/** Beyond this ratio a picture is a line: cropping it to a square would remove nearly everything. */
const MAX_ASPECT_RATIO = 50;
/** Longer side of the largest decoded picture; a larger one would only cost memory. */
const MAX_DECODED_SIDE = 4_096;

const KERNELS = { bicubic: 'cubic', bilinear: 'linear', lanczos3: 'lanczos3', nearest: 'nearest' } as const;

type PictureContext = Pick<TaskContext<unknown>, 'files' | 'env' | 'signal'>;

async function decode({ files, env, signal }: PictureContext, options: DecodeOptions): Promise<DecodedImage> {
  if (files.input === undefined) throw invalidInput('The job has no picture');
  const known = { head: readHeadSync(files.input), signal, ...pictureOptions(env) };
  const image = await onMedia(decodeImage(files.input, { ...options, ...known }));
  refuseTinyPictures(image.original);
  return image;
}

/** @throws TaskError for pictures that are too small or too narrow to be meaningful */
function refuseTinyPictures({ width, height }: { readonly width: number; readonly height: number }): void {
  const [short, long] = [Math.min(width, height), Math.max(width, height)];
  if (short < MIN_SIDE)
    throw invalidInput(`The picture is ${width} × ${height} pixels; its shorter side must have at least ${MIN_SIDE}`);
  if (long > short * MAX_ASPECT_RATIO)
    throw invalidInput(
      `The picture is ${width} × ${height} pixels; one side may be at most ${MAX_ASPECT_RATIO} times as long as the other`,
    );
}

/** Crops to the centre of a picture. */
function cropCentre({ data, width, height }: DecodedImage, toWidth: number, toHeight: number): Uint8Array {
  if (width === toWidth && height === toHeight) return data;
  const left = Math.round((width - toWidth) / 2);
  const top = Math.round((height - toHeight) / 2);
  const cut = new Uint8Array(toWidth * toHeight * 3);
  for (let y = 0; y < toHeight; y++) {
    const from = ((top + y) * width + left) * 3;
    cut.set(data.subarray(from, from + toWidth * 3), y * toWidth * 3);
  }
  return cut;
}

/** Pads a picture with black on all sides. */
function padCentre({ data, width, height }: DecodedImage, toWidth: number, toHeight: number): Uint8Array {
  const padded = new Uint8Array(toWidth * toHeight * 3);
  const left = Math.floor((toWidth - width) / 2);
  const top = Math.floor((toHeight - height) / 2);
  for (let y = 0; y < height; y++)
    padded.set(data.subarray(y * width * 3, (y + 1) * width * 3), ((top + y) * toWidth + left) * 3);
  return padded;
}

export interface ModelPixels {
  /** RGB in exactly the model's size. */
  readonly pixels: Uint8Array;
  /** The fault of a damaged picture. */
  readonly damage: string | null;
}

/**
 * The picture in the form that a model takes.
 * @throws TaskError for files that are not pictures, and for pictures that are too small or too narrow to be meaningful
 */
export async function modelPixels(context: PictureContext, rules: ImagePreprocessing): Promise<ModelPixels> {
  const { width, height, resize, resize_to: side } = rules;
  const kernel = KERNELS[rules.kernel];
  switch (resize) {
    case 'squash': {
      const { data, damage } = await decode(context, { width, height, fit: 'fill', kernel });
      return { pixels: data, damage };
    }
    case 'fit': {
      const image = await decode(context, { width, height, fit: 'inside', enlarge: true, kernel });
      return { pixels: padCentre(image, width, height), damage: image.damage };
    }
    case 'shortest_edge': {
      // The shorter side has the length `side`, and only the square in the middle is kept: the crop never needs more.
      const square = Math.max(side ?? 0, width, height);
      const image = await decode(context, { width: square, height: square, fit: 'cover', kernel });
      return { pixels: cropCentre(image, width, height), damage: image.damage };
    }
  }
}

/**
 * A picture in any size, decoded directly to the first requested size: a camera photo is shrunk while it loads, and few
 * pictures are needed in full size. Smaller sizes are made from the decoded picture; a larger one is decoded again in
 * full size.
 */
export async function openPyramid({ files, env, signal }: PictureContext): Promise<Pyramid> {
  if (files.input === undefined) throw invalidInput('The job has no picture');
  const file = files.input;
  const head = readHeadSync(file);
  const known = { head, kind: await sniffHead(head, file), signal, ...pictureOptions(env) };
  const scale = ({ width, height }: { width: number; height: number }): number =>
    MAX_DECODED_SIDE / Math.max(width, height);
  const shape = await onMedia(imageShape(file, { ...known, scale }));
  refuseTinyPictures(shape);
  const { width, height } = shape;
  const longSide = Math.max(width, height);
  const wholeSide = Math.min(longSide, MAX_DECODED_SIDE);
  const levels = new Map<number, Promise<PyramidLevel>>();
  let decoded: { readonly side: number; readonly pixels: Promise<DecodedImage> } | undefined;
  let damage: string | null = null;

  const decodedTo = (side: number): { readonly side: number; readonly pixels: Promise<DecodedImage> } => {
    if (decoded && decoded.side >= side) return decoded;
    // A picture that cannot be shrunk while it loads is decoded only once.
    const target = decoded || isDecodedHere(shape) ? wholeSide : side;
    const size = { width: target, height: target, fit: 'inside', kernel: 'linear' } as const;
    decoded = { side: target, pixels: onMedia(decodeImage(file, { ...known, ...size })) };
    return decoded;
  };

  const make = async (side: number): Promise<PyramidLevel> => {
    const from = decodedTo(side);
    const pixels = await from.pixels;
    damage ??= pixels.damage;
    const level = from.side === side ? pixels : await shrunk(pixels, side);
    return { pixels: level, factor: longSide / Math.max(level.width, level.height) };
  };

  return {
    width,
    height,
    damage: () => damage,
    level: (wanted) => {
      const side = Math.min(wanted, wholeSide);
      let level = levels.get(side);
      if (!level) {
        level = make(side);
        levels.set(side, level);
      }
      return level;
    },
  };
}

async function shrunk({ data, width, height }: DecodedImage, side: number): Promise<Pixels> {
  const picture = sharp(data, { raw: { width, height, channels: 3 } });
  const { data: pixels, info } = await picture
    .resize({ width: side, height: side, fit: 'inside', kernel: 'linear' })
    .raw()
    .toBuffer({ resolveWithObject: true });
  return { data: pixels, width: info.width, height: info.height };
}
