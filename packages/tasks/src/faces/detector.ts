/**
 * Detects faces of any size. The picture is searched at several sizes, because the detector only knows faces of about
 * 13 to 300 pixels. The first size scales the smallest wanted face to 13 pixels; on real faces, scores were measured to
 * fall under 0.7 below 12 to 13 pixels. A face that fills a 12-megapixel photo is found at 640 and 256 pixels.
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
  /** Minimum length of the shorter side, in pixels of the whole picture. */
  readonly minFaceSize: number;
}

const MIN_DETECTABLE_SIDE = 13;
/**
 * Bounds the memory: a 4:3 picture with this side takes 60 MB as a tensor. Beyond 12 megapixels `minFaceSize` grows
 * with the picture.
 */
const MAX_PASS_SIDE = 2_560;
const FURTHER_PASSES = [640, 256] as const;
/** Two sizes with a smaller ratio find the same faces. */
const MIN_PASS_RATIO = 1.5;

/** Longer sides at which a picture is searched, the largest first. */
export function passSides(longSide: number, minFaceSize: number): number[] {
  const first = Math.min(longSide, MAX_PASS_SIDE, Math.ceil((longSide * MIN_DETECTABLE_SIDE) / minFaceSize));
  const sides = [Math.max(first, Math.min(longSide, 64))];
  for (const side of FURTHER_PASSES) if ((sides.at(-1) ?? 0) > side * MIN_PASS_RATIO) sides.push(side);
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

/** Faces at each of the given sizes, in pixels of the whole picture, the best first. */
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

/**
 * Whether a face is upright. The detector knows upright faces; it is seldom certain of a face that lies on its side,
 * and the points of such a face are wrong.
 */
const isUpright = ({ points }: RawFace): boolean => Math.abs(pose(points).roll) < 45;

export const isCertain = (score: number): boolean => score >= FACE_CERTAIN;

/** Longer side of a picture that is rotated on trial: faces of at least 1/25 of it are found. */
const TRIAL_SIDE = 320;

/** The rotation that makes the faces of a picture upright; undefined if none shows a certain face. */
async function turnOf(detector: Detector, picture: Pyramid, options: DetectOptions): Promise<Turn | undefined> {
  let best: { readonly turn: Turn; readonly score: number } | undefined;
  for (const turn of TURNS) {
    const trial = { ...options, confidence: Math.max(options.confidence, FACE_CERTAIN) };
    const found = await search(detector, turnedPicture(picture, turn), [TRIAL_SIDE], trial);
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
 * Detects faces. If no upright face is certain, the picture is also searched after a rotation by 90° in either
 * direction, because scans and files without EXIF may lie on their side.
 * @returns faces in pixels of the whole picture as stored in the file, the best first
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
  // If the picture needs a rotation, the faces found before it lie on their side: each counts only if no face of the
  // rotated picture touches it.
  return [...back, ...found.filter((face) => !back.some((other) => touches(face, other)))];
}

/** Whether the centre of one box is in the other. */
function touches(a: RawFace, b: RawFace): boolean {
  const inside = (x: number, y: number, box: RawFace): boolean =>
    x >= box.x && x <= box.x + box.width && y >= box.y && y <= box.y + box.height;
  return inside(a.x + a.width / 2, a.y + a.height / 2, b) || inside(b.x + b.width / 2, b.y + b.height / 2, a);
}
