/** A job's picture as models want it: upright, on white, in exactly the size of a tensor, or at several sizes. */

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

/** A side shorter than this shows nothing that a model could know. */
const SHORTEST_SIDE = 8;
/** Beyond this a picture is a line: cut to a square it loses nearly everything. */
const STEEPEST_ASPECT = 50;
/** Longer side of the picture whole; more would only cost memory. */
const BASE_SIDE = 4_096;

const KERNELS = { bicubic: 'cubic', bilinear: 'linear', lanczos3: 'lanczos3', nearest: 'nearest' } as const;

type PictureContext = Pick<TaskContext<unknown>, 'files' | 'env' | 'signal'>;

async function decode({ files, env, signal }: PictureContext, options: DecodeOptions): Promise<DecodedImage> {
  if (files.input === undefined) throw invalidInput('The job has no picture');
  const known = { head: readHeadSync(files.input), signal, ...pictureOptions(env) };
  const image = await onMedia(decodeImage(files.input, { ...options, ...known }));
  refuseSlivers(image.original);
  return image;
}

/** @throws TaskError for pictures too small or too narrow to mean anything */
function refuseSlivers({ width, height }: { readonly width: number; readonly height: number }): void {
  const [short, long] = [Math.min(width, height), Math.max(width, height)];
  if (short < SHORTEST_SIDE)
    throw invalidInput(
      `The picture is ${width} × ${height} pixels; its shorter side must have at least ${SHORTEST_SIDE}`,
    );
  if (long > short * STEEPEST_ASPECT)
    throw invalidInput(
      `The picture is ${width} × ${height} pixels; its sides may differ ${STEEPEST_ASPECT}-fold at most`,
    );
}

/** The middle of a picture. */
function cutCentre({ data, width, height }: DecodedImage, toWidth: number, toHeight: number): Uint8Array {
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

/** The whole picture in the middle of a black one. */
function padCentre({ data, width, height }: DecodedImage, toWidth: number, toHeight: number): Uint8Array {
  const padded = new Uint8Array(toWidth * toHeight * 3);
  const left = Math.floor((toWidth - width) / 2);
  const top = Math.floor((toHeight - height) / 2);
  for (let y = 0; y < height; y++)
    padded.set(data.subarray(y * width * 3, (y + 1) * width * 3), ((top + y) * toWidth + left) * 3);
  return padded;
}

export interface ModelPixels {
  /** RGB of exactly the model's size. */
  readonly pixels: Uint8Array;
  /** What is wrong with the picture where it is damaged. */
  readonly damage: string | null;
}

/**
 * A picture as a model takes it.
 * @throws TaskError for what is no picture, and for pictures too small or too narrow to mean anything
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
      // The shorter edge at `side` and the middle square of it: all that the centre cut can need.
      const square = Math.max(side ?? 0, width, height);
      const image = await decode(context, { width: square, height: square, fit: 'cover', kernel });
      return { pixels: cutCentre(image, width, height), damage: image.damage };
    }
  }
}

/**
 * A picture at any size, decoded straight to the first that is asked for: a photo of a camera is shrunk while it loads, and
 * few pictures are needed whole. Smaller sizes are made from what was decoded; a larger one decodes once more, whole.
 */
export async function openPyramid({ files, env, signal }: PictureContext): Promise<Pyramid> {
  if (files.input === undefined) throw invalidInput('The job has no picture');
  const file = files.input;
  const head = readHeadSync(file);
  const known = { head, kind: await sniffHead(head, file), signal, ...pictureOptions(env) };
  const scale = ({ width, height }: { width: number; height: number }): number => BASE_SIDE / Math.max(width, height);
  const shape = await onMedia(imageShape(file, { ...known, scale }));
  refuseSlivers(shape);
  const { width, height } = shape;
  const longSide = Math.max(width, height);
  const wholeSide = Math.min(longSide, BASE_SIDE);
  const levels = new Map<number, Promise<PyramidLevel>>();
  let decoded: { readonly side: number; readonly pixels: Promise<DecodedImage> } | undefined;
  let damage: string | null = null;

  const decodedTo = (side: number): { readonly side: number; readonly pixels: Promise<DecodedImage> } => {
    if (decoded && decoded.side >= side) return decoded;
    // Where it cannot be shrunk while it loads it is decoded only once.
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
