/**
 * Whether two pictures of near pHashes are nearly the same one. A pHash has 64 bits of the coarsest structure, so pictures
 * without structure, and all pages of text, are near each other by it. The other values of the hash task decide.
 *
 * Measured on ten photos and their copies (smaller, JPEG at quality 20, blurred, lighter, grey; cut by 3 % at each edge),
 * and on generated pages of text, plain colours and dark noise: copies differ in at most 18 bits of PDQ, those that were cut
 * in at most 84, different photos in at least 104, different full pages in 92, pages with a few lines in 52.
 */
import { distance } from '@cl-server/contract';

export interface PictureFeatures {
  /** 64 hexadecimal digits. */
  readonly pdq: string | null;
  /** 0 to 100: how much structure there is. */
  readonly pdq_quality: number | null;
  /** 0 to 1: how much of the picture has one tone. */
  readonly flat_share: number | null;
  /** Mean colours of 8 × 8 cells: brightness, blue and red difference, two hexadecimal digits each. */
  readonly layout: string | null;
}

/** A picture with a lower quality has nothing to recognise: plain colours have 0, black frames with noise up to 11. */
const LEAST_STRUCTURE = 30;
const NEAR = 84;
/** On one tone, as of paper, all that differs is detail: only copies of the very same page are near. */
const MOSTLY_FLAT = 0.6;
const NEAR_ON_FLAT = 30;
/** Mean distance of blue and red differences; copies stay below 4. */
const SAME_COLOURS = 16;
/** Mean strength of colour below which a picture is grey: a grey copy of a picture is a copy of it. */
const GREY = 4;

/** Blue and red differences of each cell. */
function colours(layout: string): [number, number][] {
  const cells: [number, number][] = [];
  for (let at = 0; at < layout.length; at += 6)
    cells.push([
      Number.parseInt(layout.slice(at + 2, at + 4), 16) - 128,
      Number.parseInt(layout.slice(at + 4, at + 6), 16) - 128,
    ]);
  return cells;
}

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

function sameColours(a: string, b: string): boolean {
  const [first, second] = [colours(a), colours(b)];
  const isGrey = (cells: readonly [number, number][]): boolean => mean(cells.map(([x, y]) => Math.hypot(x, y))) < GREY;
  if (isGrey(first) || isGrey(second)) return true;
  return (
    mean(first.map(([x, y], i) => Math.hypot(x - (second[i]?.[0] ?? 0), y - (second[i]?.[1] ?? 0)))) <= SAME_COLOURS
  );
}

/** Whether a picture has enough structure to be found again by it. */
export const hasStructure = ({ pdq, pdq_quality }: PictureFeatures): boolean =>
  pdq !== null && pdq_quality !== null && pdq_quality >= LEAST_STRUCTURE;

/** @returns false if one of them lacks features: no pictures are linked by a pHash alone */
export function isSamePicture(a: PictureFeatures, b: PictureFeatures): boolean {
  if (!hasStructure(a) || !hasStructure(b) || a.pdq === null || b.pdq === null) return false;
  const isFlat = Math.max(a.flat_share ?? 0, b.flat_share ?? 0) > MOSTLY_FLAT;
  if (distance(a.pdq, b.pdq) > (isFlat ? NEAR_ON_FLAT : NEAR)) return false;
  return a.layout === null || b.layout === null || sameColours(a.layout, b.layout);
}
