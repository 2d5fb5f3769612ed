import type { HlsVariant } from '@cl-server/contract';
import { HLS_FILES } from '@cl-server/contract';
import type { ProbeResult, VideoStream } from '../video/probe.js';

/** One picture stream of several sizes and bit rates that a player chooses from. */
export interface Rendition {
  /** `adaptive-720p-3500`: the playlist's name without its ending, and the beginning of its segments' names. */
  readonly name: string;
  /** As asked for; null for the original. */
  readonly resolution: number | null;
  readonly bitrate: number | null;
  /** Pixels; even. */
  readonly width: number;
  readonly height: number;
  /** Of the picture, kbit/s. */
  readonly kbps: number;
  /** The stored stream goes in as it is. */
  readonly copy: boolean;
}

export const AUDIO_KBPS = 128;
const ORIGINAL = `${HLS_FILES.prefix}orig`;

/** kbit/s that H.264 needs at a height, 30 frames a second: about 0.1 bit a pixel. */
const bitrateFor = (width: number, height: number): number => Math.max(150, Math.round((width * height * 3) / 1000));
const even = (value: number): number => Math.max(2, 2 * Math.floor(value / 2));

/** Size at a height, never above the source's; both sides even, as 4:2:0 needs them. */
function sizeAt({ width, height }: VideoStream, resolution: number) {
  const high = even(Math.min(resolution, height));
  return { width: even((high * width) / height + 0.5), height: high };
}

function variantOf(source: VideoStream, { resolution, bitrate }: HlsVariant): Rendition {
  const size = sizeAt(source, resolution ?? source.height);
  const kbps = bitrate ?? bitrateFor(size.width, size.height);
  const name = `${HLS_FILES.prefix}${resolution ?? source.height}p-${kbps}`;
  return { name, resolution, bitrate, ...size, kbps, copy: false };
}

/** Seconds by which a picture may begin after the sound; later ones are filled up, so that all renditions have one time line. */
export const LATE = 0.1;

/** What every browser plays out of MPEG-TS as it is: no turning, mirroring, deinterlacing or tone mapping is needed. */
const isPlayable = (source: VideoStream): boolean => {
  const { codec, pixelFormat, rotation, isMirrored, isInterlaced, hdr, begin, width, height } = source;
  return (
    codec === 'h264' &&
    (pixelFormat === 'yuv420p' || pixelFormat === 'yuvj420p') &&
    rotation === 0 &&
    !isMirrored &&
    !isInterlaced &&
    hdr === undefined &&
    begin <= LATE &&
    width % 2 === 0 &&
    height % 2 === 0
  );
};

function originalOf(info: ProbeResult, source: VideoStream): Rendition {
  const size = sizeAt(source, source.height);
  const known = Math.round(info.bitrate / 1000);
  return {
    name: ORIGINAL,
    resolution: null,
    bitrate: null,
    ...size,
    kbps: known || bitrateFor(size.width, size.height),
    copy: isPlayable(source),
  };
}

/** The renditions for a source; a variant asked for twice is made once. */
export function ladder(
  info: ProbeResult,
  source: VideoStream,
  variants: readonly HlsVariant[],
  includeOriginal: boolean,
): readonly Rendition[] {
  const byName = new Map(variants.map((variant) => variantOf(source, variant)).map((made) => [made.name, made]));
  return includeOriginal ? [...byName.values(), originalOf(info, source)] : [...byName.values()];
}
