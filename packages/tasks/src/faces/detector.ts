/**
 * Faces of any size: the picture is searched at several sizes, because the detector knows faces of about 13 to 300 pixels
 * only. The first size brings the smallest wanted face to 13 pixels; measured on real faces, 12 of 13 pixels are the edge
 * below which scores fall under 0.7. A face that fills a 12-megapixel photo is found at 640 and 256 pixels.
 */
import type { ModelSession } from '@cl-server/models';
import { detectRaw, type Pixels, type RawFace, suppress } from './yunet.js';

export interface PyramidLevel {
  readonly pixels: Pixels;
  /** Pixels of the whole picture for one of the level. */
  readonly factor: number;
}

/** A picture that can be had at several sizes. */
export interface Pyramid {
  /** Of the upright picture. */
  readonly width: number;
  readonly height: number;
  /** The picture with its longer side at most `longSide`, never larger than it is. */
  level(longSide: number): Promise<PyramidLevel>;
  /** What is wrong with the picture where it is damaged, as far as it was decoded. */
  damage(): string | null;
}

export interface DetectOptions {
  readonly confidence: number;
  readonly nms: number;
  /** Shorter side in pixels of the whole picture. */
  readonly minFaceSize: number;
}

const SMALLEST_KNOWN = 13;
/** Bounds memory: a 4:3 picture of this side takes 60 MB as a tensor. Beyond 12 megapixels `minFaceSize` grows with it. */
const LARGEST_PASS = 2_560;
const FURTHER_PASSES = [640, 256] as const;
/** Two sizes nearer than this find the same faces. */
const WORTHWHILE = 1.5;

/** Longer sides at which a picture is searched, largest first. */
export function passSides(longSide: number, minFaceSize: number): number[] {
  const first = Math.min(longSide, LARGEST_PASS, Math.ceil((longSide * SMALLEST_KNOWN) / minFaceSize));
  const sides = [Math.max(first, Math.min(longSide, 64))];
  for (const side of FURTHER_PASSES) if ((sides.at(-1) ?? 0) > side * WORTHWHILE) sides.push(side);
  return sides;
}

const enlarge = (face: RawFace, factor: number): RawFace => ({
  x: face.x * factor,
  y: face.y * factor,
  width: face.width * factor,
  height: face.height * factor,
  score: face.score,
  points: face.points.map(([x, y]) => [x * factor, y * factor] as const),
});

/** @returns faces in pixels of the whole picture, best first */
export async function detectFaces(
  session: ModelSession,
  inputName: string,
  picture: Pyramid,
  { confidence, nms, minFaceSize }: DetectOptions,
  onPass: (done: number, of: number) => void = () => undefined,
): Promise<RawFace[]> {
  const sides = passSides(Math.max(picture.width, picture.height), minFaceSize);
  const found: RawFace[] = [];
  for (const [index, side] of sides.entries()) {
    const { pixels, factor } = await picture.level(side);
    for (const face of await detectRaw(session, inputName, pixels, confidence)) found.push(enlarge(face, factor));
    onPass(index + 1, sides.length);
  }
  return suppress(found, nms).filter((face) => Math.min(face.width, face.height) >= minFaceSize * 0.9);
}
