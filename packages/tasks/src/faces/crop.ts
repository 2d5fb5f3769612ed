/**
 * Makes the aligned crop of a face from the best-fitting size of the picture, because shrinking a large face in one
 * step would cause aliasing.
 */

import { CROP, type Similarity, scaleOf, similarity, warp } from './align.js';
import type { Pyramid } from './pyramid.js';
import type { RawFace } from './yunet.js';

/** Maximum number of picture pixels per side that one pixel of the crop covers. */
const MAX_PIXELS_PER_PIXEL = 1.5;
const SIZE_STEP = 1.1;

/** Rounds a side up to the next step of 10 %, so that faces of similar size share a picture. */
const inSteps = (side: number): number => Math.round(SIZE_STEP ** Math.ceil(Math.log(side) / Math.log(SIZE_STEP)));

/** RGB, 112×112; undefined if the points define no transform. */
export async function alignedCrop(picture: Pyramid, face: RawFace): Promise<Uint8Array | undefined> {
  const whole = similarity(face.points);
  if (!whole) return undefined;
  const longSide = Math.max(picture.width, picture.height);
  const shrink = 1 / scaleOf(whole);
  const side =
    shrink > MAX_PIXELS_PER_PIXEL ? inSteps(Math.max(CROP, (longSide * MAX_PIXELS_PER_PIXEL) / shrink)) : longSide;
  const { pixels, factor } = await picture.level(side);
  const points = face.points.map(([x, y]) => [x / factor, y / factor] as const);
  const transform: Similarity | undefined = similarity(points);
  return transform ? warp(pixels, transform) : undefined;
}
