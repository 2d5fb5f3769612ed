/** All perceptual hashes and features of a picture. */
import { type DecodeOptions, decodeImage } from '../image/decode.js';
import { greyOf } from './grey.js';
import { averageHash, differenceHash, perceptualHash } from './hash64.js';
import { colourLayout, flatShare } from './layout.js';
import { pdqHash } from './pdq.js';

export interface PerceptualHashes {
  readonly ahash: string;
  readonly dhash: string;
  readonly phash: string;
  readonly pdq: string;
  readonly pdq_quality: number;
  /** Share of the picture in its most frequent tone, 0 to 1. */
  readonly flat_share: number;
  /** Mean colours of 8 × 8 cells. */
  readonly layout: string;
}

/** Side of the square from which all hashes are computed. */
export const HASH_SIDE = 512;

/** @param rgb `HASH_SIDE` × `HASH_SIDE` pixels, three bytes each */
export function hashesOf(rgb: Uint8Array): PerceptualHashes {
  const grey = greyOf(rgb, HASH_SIDE, HASH_SIDE);
  const { hash, quality } = pdqHash(grey);
  return {
    ahash: averageHash(grey),
    dhash: differenceHash(grey),
    phash: perceptualHash(grey),
    pdq: hash,
    pdq_quality: quality,
    flat_share: flatShare(grey),
    layout: colourLayout(rgb, HASH_SIDE),
  };
}

/**
 * Perceptual hashes of an image as it is displayed: upright, transparency on white.
 * @throws MediaError
 */
export async function imageHashes(
  file: string,
  options: Omit<DecodeOptions, 'width' | 'height' | 'fit'> = {},
): Promise<PerceptualHashes & { readonly damage: string | null }> {
  const { data, damage } = await decodeImage(file, { ...options, width: HASH_SIDE, height: HASH_SIDE, fit: 'fill' });
  return { ...hashesOf(data), damage };
}
