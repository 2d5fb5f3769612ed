/** An aligned crop of a face, cut at the size of the picture that fits best: a large face shrunk in one step would alias. */

import { CROP, type Similarity, scaleOf, similarity, warp } from './align.js';
import type { Pyramid } from './pyramid.js';
import type { RawFace } from './yunet.js';

/** Longer side at which one pixel of the crop covers at most this many of the picture. */
const FINEST = 1.5;
const STEP = 1.1;

/** Up to the next step of a tenth: many faces of about one size share a picture. */
const inSteps = (side: number): number => Math.round(STEP ** Math.ceil(Math.log(side) / Math.log(STEP)));

/** RGB, 112×112; undefined where the points give no transform. */
export async function alignedCrop(picture: Pyramid, face: RawFace): Promise<Uint8Array | undefined> {
  const whole = similarity(face.points);
  if (!whole) return undefined;
  const longSide = Math.max(picture.width, picture.height);
  const shrink = 1 / scaleOf(whole);
  const side = shrink > FINEST ? inSteps(Math.max(CROP, (longSide * FINEST) / shrink)) : longSide;
  const { pixels, factor } = await picture.level(side);
  const points = face.points.map(([x, y]) => [x / factor, y / factor] as const);
  const transform: Similarity | undefined = similarity(points);
  return transform ? warp(pixels, transform) : undefined;
}
