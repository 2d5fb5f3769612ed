/**
 * The tensors of the YuNet face detector: its input from pixels, and faces from its outputs.
 *
 * Source: Wu, Peng, Yu: "YuNet: A Tiny Millisecond-level Face Detector" (2023), and the decoding published with the
 * model in the OpenCV zoo: anchor-free cells at strides 8, 16 and 32; score √(cls·obj); boxes and points relative to
 * the cell.
 */
import { type FloatTensors, floatTensor, type ModelSession } from '@cl-server/models';
import { assertNumbers } from '../vision/embed.js';

/** A face in pixels of the picture that was searched. */
export interface RawFace {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
  readonly score: number;
  /** Right eye, left eye, nose, right and left corner of the mouth (from the person's point of view), as x, y. */
  readonly points: readonly (readonly [number, number])[];
}

export interface Pixels {
  /** RGB, 3 bytes per pixel, rows from the top. */
  readonly data: Uint8Array;
  readonly width: number;
  readonly height: number;
}

const STRIDES = [8, 16, 32] as const;
const SIDE_MULTIPLE = 32;
const POINTS = 5;

const roundUp = (value: number): number => Math.ceil(value / SIDE_MULTIPLE) * SIDE_MULTIPLE;

/** The input tensor: BGR, 0 to 255, padded with black at the right and at the bottom. */
function inputOf({ data, width, height }: Pixels): { tensor: Float32Array; columns: number; rows: number } {
  const columns = roundUp(width);
  const rows = roundUp(height);
  const area = columns * rows;
  const tensor = new Float32Array(3 * area);
  let from = 0;
  for (let y = 0; y < height; y++) {
    let to = y * columns;
    for (let x = 0; x < width; x++, to++, from += 3) {
      tensor[to] = data[from + 2] as number;
      tensor[to + area] = data[from + 1] as number;
      tensor[to + 2 * area] = data[from] as number;
    }
  }
  return { tensor, columns, rows };
}

const clamp01 = (value: number): number => Math.min(1, Math.max(0, value));

function decodeStride(results: FloatTensors, stride: number, columns: number, threshold: number): RawFace[] {
  const pick = (name: string): Float32Array => {
    const tensor = results[`${name}_${stride}`];
    if (!tensor) throw new Error(`the detector returned no ${name}_${stride}`);
    return tensor.data;
  };
  const [cls, obj, box, kps] = [pick('cls'), pick('obj'), pick('bbox'), pick('kps')];
  // A detector that computes invalid numbers must not look like a picture without faces.
  assertNumbers(cls);
  assertNumbers(obj);
  const perRow = columns / stride;
  const faces: RawFace[] = [];
  for (let cell = 0; cell < cls.length; cell++) {
    const score = Math.sqrt(clamp01(cls[cell] as number) * clamp01(obj[cell] as number));
    if (!(score >= threshold)) continue;
    const column = cell % perRow;
    const row = Math.floor(cell / perRow);
    const at = (tensor: Float32Array, index: number): number => tensor[index] as number;
    const width = Math.exp(at(box, cell * 4 + 2)) * stride;
    const height = Math.exp(at(box, cell * 4 + 3)) * stride;
    const points = Array.from({ length: POINTS }, (_, n): [number, number] => [
      (at(kps, cell * 10 + 2 * n) + column) * stride,
      (at(kps, cell * 10 + 2 * n + 1) + row) * stride,
    ]);
    faces.push({
      x: (column + at(box, cell * 4)) * stride - width / 2,
      y: (row + at(box, cell * 4 + 1)) * stride - height / 2,
      width,
      height,
      score,
      points,
    });
  }
  return faces;
}

/** Detects the faces of a picture in its own size, including overlapping ones. */
export async function detectRaw(
  session: ModelSession,
  inputName: string,
  pixels: Pixels,
  threshold: number,
): Promise<RawFace[]> {
  const { tensor, columns, rows } = inputOf(pixels);
  const results = await session.run({ [inputName]: floatTensor(tensor, [1, 3, rows, columns]) });
  return STRIDES.flatMap((stride) => decodeStride(results, stride, columns, threshold)).filter((face) =>
    [face.x, face.y, face.width, face.height, ...face.points.flat()].every(Number.isFinite),
  );
}

/** Overlap as a fraction of the union. */
function overlap(a: RawFace, b: RawFace): number {
  const width = Math.min(a.x + a.width, b.x + b.width) - Math.max(a.x, b.x);
  const height = Math.min(a.y + a.height, b.y + b.height) - Math.max(a.y, b.y);
  if (width <= 0 || height <= 0) return 0;
  const common = width * height;
  return common / (a.width * a.height + b.width * b.height - common);
}

/**
 * A box within another counts as the same face, because the levels of a pyramid disagree more on size than on place. A
 * much smaller box does not: it is a face on a shirt, or a person in front of another.
 */
const SAME_FACE_COVERAGE = 0.8;
const SAME_FACE_AREA_RATIO = 0.15;

function isWithin(a: RawFace, b: RawFace): boolean {
  const width = Math.min(a.x + a.width, b.x + b.width) - Math.max(a.x, b.x);
  const height = Math.min(a.y + a.height, b.y + b.height) - Math.max(a.y, b.y);
  if (width <= 0 || height <= 0) return false;
  const [small, large] = [a.width * a.height, b.width * b.height].sort((x, y) => x - y) as [number, number];
  return width * height > SAME_FACE_COVERAGE * small && small > SAME_FACE_AREA_RATIO * large;
}

/** Greedy non-maximum suppression, the best first. */
export function suppress(faces: readonly RawFace[], threshold: number): RawFace[] {
  const kept: RawFace[] = [];
  for (const face of [...faces].sort((a, b) => b.score - a.score))
    if (!kept.some((other) => overlap(other, face) > threshold || isWithin(other, face))) kept.push(face);
  return kept;
}
