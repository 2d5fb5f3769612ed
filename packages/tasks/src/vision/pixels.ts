/** A job's picture as models want it: upright, on white, in exactly the size of a tensor, or at several sizes. */
import type { ImagePreprocessing } from '@cl-server/contract';
import { type DecodedImage, type DecodeOptions, decodeImage, sharp } from '@cl-server/media';
import { invalidInput, type TaskContext } from '@cl-server/task-kit';
import type { Pyramid, PyramidLevel } from '../faces/detector.js';
import { onMedia } from '../media-error.js';

/** A side shorter than this shows nothing that a model could know. */
const SHORTEST_SIDE = 8;
/** Beyond this a picture is a line: cut to a square it loses nearly everything. */
const STEEPEST_ASPECT = 50;
/** Longer side of the decoded original from which all sizes are made; larger ones would only cost memory. */
const BASE_SIDE = 4_096;

const KERNELS = { bicubic: 'cubic', bilinear: 'linear', lanczos3: 'lanczos3', nearest: 'nearest' } as const;

type PictureContext = Pick<TaskContext<unknown>, 'files' | 'env' | 'signal'>;

async function decode({ files, env, signal }: PictureContext, options: DecodeOptions): Promise<DecodedImage> {
  if (files.input === undefined) throw invalidInput('The job has no picture');
  const image = await onMedia(decodeImage(files.input, { ...options, maxPixels: env.maxImagePixels, signal }));
  const { width, height } = image.original;
  const [short, long] = [Math.min(width, height), Math.max(width, height)];
  if (short < SHORTEST_SIDE)
    throw invalidInput(
      `The picture is ${width} × ${height} pixels; its shorter side must have at least ${SHORTEST_SIDE}`,
    );
  if (long > short * STEEPEST_ASPECT)
    throw invalidInput(
      `The picture is ${width} × ${height} pixels; its sides may differ ${STEEPEST_ASPECT}-fold at most`,
    );
  return image;
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

/**
 * RGB of exactly the model's size.
 * @throws TaskError for what is no picture, and for pictures too small or too narrow to mean anything
 */
export async function modelPixels(context: PictureContext, rules: ImagePreprocessing): Promise<Uint8Array> {
  const { width, height, resize, resize_to: side } = rules;
  const kernel = KERNELS[rules.kernel];
  switch (resize) {
    case 'squash':
      return (await decode(context, { width, height, fit: 'fill', kernel })).data;
    case 'fit':
      return padCentre(await decode(context, { width, height, fit: 'inside', enlarge: true, kernel }), width, height);
    case 'shortest_edge': {
      // The shorter edge at `side` and the middle square of it: all that the centre cut can need.
      const square = Math.max(side ?? 0, width, height);
      const image = await decode(context, { width: square, height: square, fit: 'cover', kernel });
      return cutCentre(image, width, height);
    }
  }
}

/** Decodes once; smaller sizes are made from what was decoded. */
export async function openPyramid(context: PictureContext): Promise<Pyramid> {
  const base = await decode(context, { width: BASE_SIDE, height: BASE_SIDE, fit: 'inside' });
  const { width, height } = base.original;
  const longSide = Math.max(width, height);
  const baseSide = Math.max(base.width, base.height);
  const levels = new Map<number, Promise<PyramidLevel>>();

  const make = async (side: number): Promise<PyramidLevel> => {
    if (side >= baseSide) return { pixels: base, factor: longSide / baseSide };
    const { data, info } = await sharp(base.data, { raw: { width: base.width, height: base.height, channels: 3 } })
      .resize({ width: side, height: side, fit: 'inside', kernel: 'linear' })
      .raw()
      .toBuffer({ resolveWithObject: true });
    return {
      pixels: { data, width: info.width, height: info.height },
      factor: longSide / Math.max(info.width, info.height),
    };
  };

  return {
    width,
    height,
    level: (side) => {
      // Steps of a tenth: many faces of about one size share a level.
      const step =
        side >= baseSide ? baseSide : Math.min(baseSide, Math.round(1.1 ** Math.ceil(Math.log(side) / Math.log(1.1))));
      let level = levels.get(step);
      if (!level) {
        level = make(step);
        levels.set(step, level);
      }
      return level;
    },
  };
}
