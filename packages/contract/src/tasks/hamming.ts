/** The Hamming distance of perceptual hashes; the browser bundle includes this file, too. */
const BITS = [0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4] as const;

/**
 * Counts the bits in which two perceptual hashes differ.
 * @param a, b hex digits of equal length, in either case
 * @throws RangeError if they are not
 *
 * @example
 * ```ts
 * const isNearlyTheSame = distance('ffd8a1b2c3d4e5f6', 'ffd8a1b2c3d4e5f7') <= 10;
 * ```
 */
export function distance(a: string, b: string): number {
  if (a.length !== b.length) throw new RangeError(`hashes of ${a.length} and ${b.length} digits cannot be compared`);
  let bits = 0;
  for (let i = 0; i < a.length; i++) {
    const left = digit(a, i);
    const right = digit(b, i);
    bits += BITS[left ^ right] as number;
  }
  return bits;
}

function digit(hash: string, at: number): number {
  const value = Number.parseInt(hash.charAt(at), 16);
  if (Number.isNaN(value)) throw new RangeError('a hash must consist of hex digits');
  return value;
}
