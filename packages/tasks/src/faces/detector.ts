/**
 * Faces of any size: the picture is searched at several sizes, because the detector knows faces of about 13 to 300 pixels
 * only. The first size brings the smallest wanted face to 13 pixels; measured on real faces, 12 of 13 pixels are the edge
 * below which scores fall under 0.7. A face that fills a 12-megapixel photo is found at 640 and 256 pixels.
 */
import { FACE_CERTAIN } from '@cl-server/contract';
import type { ModelSession } from '@cl-server/models';
import type { Pyramid } from './pyramid.js';
import { pose } from './quality.js';
import { TURNS, type Turn, turnedBack, turnedPicture } from './turned.js';
import { detectRaw, type RawFace, suppress } from './yunet.js';

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

/** Faces in pixels of the whole picture, best first, at each of some sizes. */
async function search(
  { session, inputName }: Detector,
  picture: Pyramid,
  sides: readonly number[],
  { confidence, nms, minFaceSize }: DetectOptions,
  onPass: (done: number) => void = () => undefined,
): Promise<RawFace[]> {
  const found: RawFace[] = [];
  for (const [index, side] of sides.entries()) {
    const { pixels, factor } = await picture.level(side);
    for (const face of await detectRaw(session, inputName, pixels, confidence)) found.push(enlarge(face, factor));
    onPass(index + 1);
  }
  return suppress(found, nms).filter((face) => Math.min(face.width, face.height) >= minFaceSize * 0.9);
}

/** The detector knows upright faces; of one that lies on its side it is seldom sure, and its points are wrong. */
const isUpright = ({ points }: RawFace): boolean => Math.abs(pose(points).roll) < 45;

export const isCertain = (score: number): boolean => score >= FACE_CERTAIN;

/** Longer side at which a picture is tried turned: faces from a 25th of it on are seen. */
const TRIAL = 320;

/** How a picture is to be turned so that its faces are upright; undefined where no way shows one for certain. */
async function turnOf(detector: Detector, picture: Pyramid, options: DetectOptions): Promise<Turn | undefined> {
  let best: { readonly turn: Turn; readonly score: number } | undefined;
  for (const turn of TURNS) {
    const trial = { ...options, confidence: Math.max(options.confidence, FACE_CERTAIN) };
    const found = await search(detector, turnedPicture(picture, turn), [TRIAL], trial);
    const score = found.find(isUpright)?.score ?? 0;
    if (score > (best?.score ?? 0)) best = { turn, score };
  }
  return best?.turn;
}

export interface Detector {
  readonly session: ModelSession;
  readonly inputName: string;
}

/**
 * Where no face is upright for certain, the picture is tried turned by a quarter either way: scans and files that lost
 * their EXIF lie on their side.
 * @returns faces in pixels of the whole picture as the file has it, best first
 */
export async function detectFaces(
  detector: Detector,
  picture: Pyramid,
  options: DetectOptions,
  onPass: (done: number, of: number) => void = () => undefined,
): Promise<RawFace[]> {
  const sides = passSides(Math.max(picture.width, picture.height), options.minFaceSize);
  const found = await search(detector, picture, sides, options, (done) => onPass(done, sides.length));
  if (found.some((face) => isCertain(face.score) && isUpright(face))) return found;
  const turn = await turnOf(detector, picture, options);
  if (turn === undefined) return found;
  const turned = await search(detector, turnedPicture(picture, turn), sides, options);
  const back = turned.map((face) => turnedBack(face, turn, picture));
  // What was found before lies on its side in a picture that is to be turned: it counts only where nothing else is.
  return [...back, ...found.filter((face) => !back.some((other) => touches(face, other)))];
}

/** Whether the middle of one box lies in the other. */
function touches(a: RawFace, b: RawFace): boolean {
  const inside = (x: number, y: number, box: RawFace): boolean =>
    x >= box.x && x <= box.x + box.width && y >= box.y && y <= box.y + box.height;
  return inside(a.x + a.width / 2, a.y + a.height / 2, b) || inside(b.x + b.width / 2, b.y + b.height / 2, a);
}
