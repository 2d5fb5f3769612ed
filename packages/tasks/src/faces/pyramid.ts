import type { Pixels } from './yunet.js';

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
