/** A square grey picture: values from 0 to 255, rows from the top. */
export interface GreyImage {
  readonly width: number;
  readonly height: number;
  readonly data: Float64Array;
}

/** Luma of ITU-R BT.601. @param rgb three bytes for each pixel */
export function greyOf(rgb: Uint8Array, width: number, height: number): GreyImage {
  const data = new Float64Array(width * height);
  for (let i = 0; i < data.length; i++) {
    const r = rgb[i * 3] ?? 0;
    const g = rgb[i * 3 + 1] ?? 0;
    const b = rgb[i * 3 + 2] ?? 0;
    data[i] = 0.299 * r + 0.587 * g + 0.114 * b;
  }
  return { width, height, data };
}

/** One axis of an area average: the weight of each source sample in each result. */
function shrinkAxis(
  source: Float64Array,
  from: number,
  to: number,
  lines: number,
  step: number,
  next: number,
  out: Float64Array,
  outStep: number,
  outNext: number,
) {
  const ratio = from / to;
  for (let line = 0; line < lines; line++)
    for (let i = 0; i < to; i++) {
      const start = i * ratio;
      const end = start + ratio;
      let sum = 0;
      for (let k = Math.floor(start); k < Math.min(from, Math.ceil(end)); k++) {
        const weight = Math.min(k + 1, end) - Math.max(k, start);
        sum += (source[line * next + k * step] ?? 0) * weight;
      }
      out[line * outNext + i * outStep] = sum / ratio;
    }
}

/** Area average: each result pixel is the mean of the area that it covers. */
export function shrink({ width, height, data }: GreyImage, toWidth: number, toHeight: number): GreyImage {
  const rows = new Float64Array(toWidth * height);
  shrinkAxis(data, width, toWidth, height, 1, width, rows, 1, toWidth);
  const out = new Float64Array(toWidth * toHeight);
  shrinkAxis(rows, height, toHeight, toWidth, toWidth, 1, out, toWidth, 1);
  return { width: toWidth, height: toHeight, data: out };
}
