/** The view of a picture that the face detector needs. */
import type { Pixels } from './yunet.js';

export interface PyramidLevel {
  readonly pixels: Pixels;
  /** Number of pixels of the whole picture for one pixel of the level. */
  readonly factor: number;
}

/** A picture that is available in several sizes. */
export interface Pyramid {
  /** Width and height of the upright picture. */
  readonly width: number;
  readonly height: number;
  /** The picture with a longer side of at most `longSide`, never enlarged. */
  level(longSide: number): Promise<PyramidLevel>;
  /** The fault of a damaged picture, as far as it has been decoded. */
  damage(): string | null;
}
