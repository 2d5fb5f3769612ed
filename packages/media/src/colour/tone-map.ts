/**
 * Maps HDR to SDR. PQ and HLG become displayed light in units of 203 nit, the white of graphics and paper (ITU-R
 * BT.2408). The gamut becomes BT.709's. One curve is applied to the largest of red, green and blue, and the other two
 * are scaled with it, so that hues stay. The curve is the identity up to 0.6 and a Möbius transform above, which
 * continues it in value and slope and reaches 1 at 1,000 nit. 203 nit become sRGB 232, and everything darker keeps its
 * contrast.
 */
import type { Hdr, HdrTransfer, Primaries } from './hdr.js';

const WHITE_NIT = 203;
const PEAK_NIT = 1000;
const PQ_NIT = 10_000;
const KNEE = 0.6;
const PEAK = PEAK_NIT / WHITE_NIT;

/** The PQ transfer function, ITU-R BT.2100, table 4. @returns nit */
function pqLight(code: number): number {
  const [m1, m2, c1, c2, c3] = [2610 / 16384, (2523 / 4096) * 128, 3424 / 4096, (2413 / 4096) * 32, (2392 / 4096) * 32];
  const power = Math.max(0, code) ** (1 / m2);
  return PQ_NIT * (Math.max(0, power - c1) / (c2 - c3 * power)) ** (1 / m1);
}

/** The HLG transfer function, ITU-R BT.2100, table 5. @returns light of the scene, 0 to 1 */
function hlgScene(code: number): number {
  const a = 0.17883277;
  const [b, c] = [1 - 4 * a, 0.5 - a * Math.log(4 * a)];
  return code <= 0.5 ? Math.max(0, code) ** 2 / 3 : (Math.exp((code - c) / a) + b) / 12;
}

/** Gamma of the HLG system on a display of 1,000 nit. */
const HLG_GAMMA = 1.2;

type Matrix = readonly [number, number, number, number, number, number, number, number, number];
/** Converts linear light of other primaries to BT.709, white D65 (ITU-R BT.2087; SMPTE EG 432-1). */
const TO_BT709: Readonly<Record<Primaries, Matrix>> = {
  bt709: [1, 0, 0, 0, 1, 0, 0, 0, 1],
  bt2020: [1.660491, -0.587641, -0.07285, -0.12455, 1.1329, -0.008349, -0.018151, -0.100579, 1.11873],
  p3: [1.22494, -0.22494, 0, -0.042057, 1.042057, 0, -0.019638, -0.078636, 1.098274],
};
/** Luminance of BT.2020's red, green and blue, with which HLG is defined. */
const LUMA = [0.2627, 0.678, 0.0593] as const;

const [CURVE_A, CURVE_B, CURVE_SCALE] = (() => {
  const a = (-KNEE * KNEE * (PEAK - 1)) / (KNEE * KNEE - 2 * KNEE + PEAK);
  const b = (KNEE * KNEE - 2 * KNEE * PEAK + PEAK) / (PEAK - 1);
  return [a, b, (b * b + 2 * b * KNEE + KNEE * KNEE) / (b - a)];
})();

const curve = (light: number): number =>
  light <= KNEE ? light : light >= PEAK ? 1 : (CURVE_SCALE * (light + CURVE_A)) / (light + CURVE_B);

const srgb = (light: number): number =>
  light <= 0.0031308 ? Math.max(0, light) * 12.92 : 1.055 * Math.min(1, light) ** (1 / 2.4) - 0.055;

/** Light of a code before the channels are mixed. */
const lightOf = (transfer: HdrTransfer, code: number): number =>
  transfer === 'pq' ? pqLight(code) / WHITE_NIT : hlgScene(code);

/** Converts three channels of light from `lightOf` to light of BT.709 between 0 and 1, in place. */
function mapLight(rgb: Float64Array, { transfer, primaries }: Hdr): void {
  let [r = 0, g = 0, b = 0] = rgb;
  if (transfer === 'hlg') {
    const scene = LUMA[0] * r + LUMA[1] * g + LUMA[2] * b;
    const gain = scene > 0 ? (PEAK_NIT / WHITE_NIT) * scene ** (HLG_GAMMA - 1) : 0;
    [r, g, b] = [r * gain, g * gain, b * gain];
  }
  const m = TO_BT709[primaries];
  const x = m[0] * r + m[1] * g + m[2] * b;
  const y = m[3] * r + m[4] * g + m[5] * b;
  const z = m[6] * r + m[7] * g + m[8] * b;
  const most = Math.max(x, y, z);
  const scale = most > KNEE ? curve(most) / most : 1;
  rgb[0] = Math.max(0, x * scale);
  rgb[1] = Math.max(0, y * scale);
  rgb[2] = Math.max(0, z * scale);
}

const ENCODED = 4096;
let encoding: Uint8ClampedArray | undefined;
/** A table of sRGB bytes for light in steps of 1/4096. */
function encodingTable(): Uint8ClampedArray {
  encoding ??= Uint8ClampedArray.from({ length: ENCODED + 1 }, (_, i) => srgb(i / ENCODED) * 255);
  return encoding;
}

export interface HdrPixels {
  /** One number for each channel. */
  readonly data: Uint16Array | Uint8Array;
  /** Red, green and blue, and transparency if there are four. */
  readonly channels: 3 | 4;
  /** The number that stands for 1. */
  readonly top: number;
}

/** @returns 8-bit sRGB with the same number of channels */
export function toneMap({ data, channels, top }: HdrPixels, hdr: Hdr): Uint8Array {
  const light = Float64Array.from({ length: top + 1 }, (_, code) => lightOf(hdr.transfer, code / top));
  const bytes = encodingTable();
  const out = new Uint8Array(data.length);
  const rgb = new Float64Array(3);
  for (let at = 0; at < data.length; at += channels) {
    for (let channel = 0; channel < 3; channel++) rgb[channel] = light[data[at + channel] ?? 0] ?? 0;
    mapLight(rgb, hdr);
    for (let channel = 0; channel < 3; channel++)
      out[at + channel] = bytes[Math.min(ENCODED, Math.round((rgb[channel] ?? 0) * ENCODED))] ?? 255;
    if (channels === 4) out[at + 3] = Math.round(((data[at + 3] ?? 0) * 255) / top);
  }
  return out;
}

/**
 * Steps along each side of the table; ffmpeg interpolates between them. Codes of PQ and HLG are evenly spaced to the
 * eye.
 */
const CUBE = 33;

/** The same mapping as a table for ffmpeg's `lut3d` filter (the .cube format), which every build of ffmpeg has. */
export function toneMapCube(hdr: Hdr): string {
  const lines = [`LUT_3D_SIZE ${CUBE}`];
  const light = Array.from({ length: CUBE }, (_, i) => lightOf(hdr.transfer, i / (CUBE - 1)));
  const rgb = new Float64Array(3);
  for (const blue of light)
    for (const green of light)
      for (const red of light) {
        rgb.set([red, green, blue]);
        mapLight(rgb, hdr);
        lines.push(Array.from(rgb, (value) => srgb(value).toFixed(6)).join(' '));
      }
  return `${lines.join('\n')}\n`;
}
