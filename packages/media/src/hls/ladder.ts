/** The renditions of a stream. */
import type { HlsVariant } from '@cl-server/contract';
import { HLS_FILES } from '@cl-server/contract';
import type { ProbeResult, VideoStream } from '../video/probe.js';

/** VIDEO-RANGE of RFC 8216bis: SDR is stored in MPEG-TS, the others in fragmented MP4. */
export type VideoRange = 'SDR' | 'PQ' | 'HLG';

/** One of the video streams with different sizes and bit rates from which a player chooses. */
export interface Rendition {
  /**
   * `adaptive-720p-3500`: the name of the playlist without its extension, and the beginning of the names of its
   * segments.
   */
  readonly name: string;
  /** The requested height; null for the original. */
  readonly resolution: number | null;
  readonly bitrate: number | null;
  /** Pixels; even. */
  readonly width: number;
  readonly height: number;
  /** Video bit rate in kbit/s. */
  readonly kbps: number;
  /** Frames per second; 0 if unknown. */
  readonly frameRate: number;
  /** The stored stream is copied without encoding. */
  readonly copy: boolean;
  readonly range: VideoRange;
}

export const AUDIO_KBPS = 128;
const ORIGINAL = `${HLS_FILES.prefix}orig`;

/** kbit/s that H.264 needs at this size with 30 frames per second: about 0.1 bit for each pixel. */
const bitrateFor = (width: number, height: number): number => Math.max(150, Math.round((width * height * 3) / 1000));
/** Higher frame rates come from the clocks of screen recordings, and the eye sees no difference. */
export const MAX_RATE = 60;
export const FALLBACK_RATE = 30;

/** Frames per second of an encoded rendition. */
const encodedRate = ({ frameRate }: VideoStream): number => Math.min(frameRate || FALLBACK_RATE, MAX_RATE);
const even = (value: number): number => Math.max(2, 2 * Math.floor(value / 2));
const evenSize = ({ width, height }: Rendition) => ({ width: even(width), height: even(height) });

/** Size for a height, never larger than the source; both sides are even, because 4:2:0 needs that. */
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

/**
 * Seconds by which a picture may begin after the sound; later ones are filled up, so that all renditions have the same
 * time line.
 */
export const MAX_LATE_SECONDS = 0.1;

/**
 * Whether every browser plays the stream out of MPEG-TS unchanged: it needs no rotation, mirroring, deinterlacing or
 * tone mapping.
 */
const isPlayable = (source: VideoStream): boolean => {
  const { codec, pixelFormat, rotation, isMirrored, isInterlaced, hdr, begin, width, height } = source;
  return (
    codec === 'h264' &&
    (pixelFormat === 'yuv420p' || pixelFormat === 'yuvj420p') &&
    rotation === 0 &&
    !isMirrored &&
    !isInterlaced &&
    hdr === undefined &&
    begin <= MAX_LATE_SECONDS &&
    width % 2 === 0 &&
    height % 2 === 0
  );
};

/**
 * Whether HDR players play the stream out of fragmented MP4 unchanged: HEVC with 10 bits for each channel (profile Main
 * 10).
 */
export const isPlayableHdr = ({ codec, pixelFormat, rotation, isMirrored, hdr, begin }: VideoStream): boolean =>
  hdr !== undefined &&
  codec === 'hevc' &&
  pixelFormat === 'yuv420p10le' &&
  rotation === 0 &&
  !isMirrored &&
  begin <= MAX_LATE_SECONDS;

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

/** The same renditions for SDR players only: an original in HDR is encoded. */
export const withoutHdr = (renditions: readonly Rendition[]): readonly Rendition[] =>
  renditions.map((rendition) =>
    rendition.range === 'SDR' ? rendition : { ...rendition, ...evenSize(rendition), copy: false, range: 'SDR' },
  );

/**
 * The renditions for a source. A variant that is requested twice is made once. Beside an original in HDR there is
 * always one in SDR.
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
