export interface Size {
  readonly width: number;
  readonly height: number;
}

export interface SizeRequest {
  readonly width?: number | null | undefined;
  readonly height?: number | null | undefined;
  /** Keep the aspect. */
  readonly keepAspect: boolean;
}

/** The larger of the two factors by which a picture's sides change; 1 where nothing is asked. */
export function scaleTo({ width, height }: Size, asked: Partial<Size>, fit: 'inside' | 'outside'): number {
  const factors = [asked.width && asked.width / width, asked.height && asked.height / height].filter((f) => f);
  const known = factors.map(Number);
  return known.length === 0 ? 1 : fit === 'inside' ? Math.min(...known) : Math.max(...known);
}

/** Side of the box where nothing is asked for. */
export const DEFAULT_BOX = 256;

/**
 * Size of a thumbnail; no side is ever larger than the source's.
 *
 * | given | with aspect | without |
 * |---|---|---|
 * | nothing | fits into 256 × 256 | 256 × 256 |
 * | width w | w × w·h/w | w × w |
 * | height h | h·w/h × h | h × h |
 * | both | fits into the box | the box |
 *
 * @param round how a computed side becomes whole: cut for images, rounded for video frames, as clients know them
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
  // A box wider than the source could ever be: only the given side counts.
  const box = {
    width: Math.min(width || (none ? DEFAULT_BOX : Number.POSITIVE_INFINITY), source.width),
    height: Math.min(height || (none ? DEFAULT_BOX : Number.POSITIVE_INFINITY), source.height),
  };
  // Multiplying before dividing keeps exact results exact: 300 × 600 / 800 is 225 and not 224.999….
  if (box.width / box.height > aspect)
    return { width: whole((box.height * source.width) / source.height), height: box.height };
  return { width: box.width, height: whole((box.width * source.height) / source.width) };
}
