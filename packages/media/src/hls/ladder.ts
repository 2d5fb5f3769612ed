import type { HlsVariant } from '@cl-server/contract';
import { HLS_FILES } from '@cl-server/contract';
import type { ProbeResult, VideoStream } from '../video/probe.js';

/** RFC 8216bis, VIDEO-RANGE: SDR lies in MPEG-TS, the others in fragmented MP4. */
export type VideoRange = 'SDR' | 'PQ' | 'HLG';

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
  /** Frames per second; 0 where unknown. */
  readonly frameRate: number;
  /** The stored stream goes in as it is. */
  readonly copy: boolean;
  readonly range: VideoRange;
}

export const AUDIO_KBPS = 128;
const ORIGINAL = `${HLS_FILES.prefix}orig`;

/** kbit/s that H.264 needs at a height, 30 frames a second: about 0.1 bit a pixel. */
const bitrateFor = (width: number, height: number): number => Math.max(150, Math.round((width * height * 3) / 1000));
/** Above this a frame rate is that of a screen recording's clock, and no eye sees the difference. */
export const MAX_RATE = 60;
export const FALLBACK_RATE = 30;

/** Frames per second of an encoded rendition. */
const encodedRate = ({ frameRate }: VideoStream): number => Math.min(frameRate || FALLBACK_RATE, MAX_RATE);
const even = (value: number): number => Math.max(2, 2 * Math.floor(value / 2));
const evenSize = ({ width, height }: Rendition) => ({ width: even(width), height: even(height) });

/** Size at a height, never above the source's; both sides even, as 4:2:0 needs them. */
function sizeAt({ width, height }: VideoStream, resolution: number) {
  const high = even(Math.min(resolution, height));
  return { width: even((high * width) / height + 0.5), height: high };
}

function variantOf(source: VideoStream, { resolution, bitrate }: HlsVariant): Rendition {
  const size = sizeAt(source, resolution ?? source.height);
  const kbps = bitrate ?? bitrateFor(size.width, size.height);
  const name = `${HLS_FILES.prefix}${resolution ?? source.height}p-${kbps}`;
  return { name, resolution, bitrate, ...size, kbps, frameRate: encodedRate(source), copy: false, range: 'SDR' };
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

/** What HLS players of HDR play out of fragmented MP4 as it is: HEVC with 10 bits a channel (profile Main 10). */
export const isPlayableHdr = ({ codec, pixelFormat, rotation, isMirrored, hdr, begin }: VideoStream): boolean =>
  hdr !== undefined &&
  codec === 'hevc' &&
  pixelFormat === 'yuv420p10le' &&
  rotation === 0 &&
  !isMirrored &&
  begin <= LATE;

function originalOf(info: ProbeResult, source: VideoStream, range: VideoRange): Rendition {
  const copy = range !== 'SDR' || isPlayable(source);
  const { width, height, frameRate } = source;
  const size = copy ? { width, height } : sizeAt(source, height);
  const known = Math.round(info.bitrate / 1000);
  return {
    name: ORIGINAL,
    resolution: null,
    bitrate: null,
    ...size,
    kbps: known || bitrateFor(size.width, size.height),
    frameRate: copy ? frameRate : encodedRate(source),
    copy,
    range,
  };
}

/** The same renditions for players of SDR only: an original in HDR is encoded. */
export const withoutHdr = (renditions: readonly Rendition[]): readonly Rendition[] =>
  renditions.map((rendition) =>
    rendition.range === 'SDR' ? rendition : { ...rendition, ...evenSize(rendition), copy: false, range: 'SDR' },
  );

/**
 * The renditions for a source; a variant asked for twice is made once. Beside an original in HDR there is always one in SDR.
 * @param range of the original
 */
export function ladder(
  info: ProbeResult,
  source: VideoStream,
  variants: readonly HlsVariant[],
  includeOriginal: boolean,
  range: VideoRange = 'SDR',
): readonly Rendition[] {
  const sameSize: HlsVariant = { resolution: null, bitrate: null };
  const wanted = includeOriginal && range !== 'SDR' && variants.length === 0 ? [sameSize] : variants;
  const byName = new Map(wanted.map((variant) => variantOf(source, variant)).map((made) => [made.name, made]));
  return includeOriginal ? [...byName.values(), originalOf(info, source, range)] : [...byName.values()];
}
