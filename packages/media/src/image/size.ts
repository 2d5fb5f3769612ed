/** Computes sizes of thumbnails. */
export interface Size {
  readonly width: number;
  readonly height: number;
}

export interface SizeRequest {
  readonly width?: number | null | undefined;
  readonly height?: number | null | undefined;
  /** Whether the aspect ratio is kept. */
  readonly keepAspect: boolean;
}

/** The larger of the two factors by which the sides of a picture change; 1 if no size is requested. */
export function scaleTo({ width, height }: Size, asked: Partial<Size>, fit: 'inside' | 'outside'): number {
  const factors = [asked.width && asked.width / width, asked.height && asked.height / height].filter((f) => f);
  const known = factors.map(Number);
  return known.length === 0 ? 1 : fit === 'inside' ? Math.min(...known) : Math.max(...known);
}

/** Side of the box if no size is requested. */
export const DEFAULT_BOX = 256;

/**
 * Computes the size of a thumbnail; no side is ever larger than the source's.
 *
 * | given | with aspect ratio | without |
 * |---|---|---|
 * | nothing | fits into 256 × 256 | 256 × 256 |
 * | width w | w × w·h/w | w × w |
 * | height h | h·w/h × h | h × h |
 * | both | fits into the box | the box |
 *
 * @param round how a computed side becomes an integer: truncated for images, rounded for video frames, as existing
 * clients expect
 */
export function thumbnailSize(
  source: Size,
  { width, height, keepAspect }: SizeRequest,
  round: (value: number) => number = Math.trunc,
): Size {
  const aspect = source.width / source.height;
  const whole = (value: number): number => Math.max(1, round(value));
  if (!keepAspect) {
    const box = { width: width ?? height ?? DEFAULT_BOX, height: height ?? width ?? DEFAULT_BOX };
    return { width: Math.min(box.width, source.width), height: Math.min(box.height, source.height) };
  }
  const none = !width && !height;
  // A box wider than the source can be: only the given side counts.
  const box = {
    width: Math.min(width || (none ? DEFAULT_BOX : Number.POSITIVE_INFINITY), source.width),
    height: Math.min(height || (none ? DEFAULT_BOX : Number.POSITIVE_INFINITY), source.height),
  };
  // Multiplying before dividing keeps exact results exact: 300 × 600 / 800 is 225 and not 224.999….
  if (box.width / box.height > aspect)
    return { width: whole((box.height * source.width) / source.height), height: box.height };
  return { width: box.width, height: whole((box.width * source.height) / source.width) };
}
