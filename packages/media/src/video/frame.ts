import { invalidMedia, safeReason } from '../errors.js';
import { DEFAULT_MAX_PIXELS } from '../image/header.js';
import type { Size } from '../image/size.js';
import { run } from '../process/run.js';
import { inputArgs, type MediaInput } from './input.js';

export interface FfmpegOptions {
  readonly ffmpeg: string;
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds. */
  readonly timeout?: number;
  readonly maxPixels?: number;
  /** Threads of the decoder. Default 1. */
  readonly threads?: number;
}

export interface FrameRequest extends Size {
  /** Seconds from the beginning. */
  readonly time: number;
  /** Look at so many frames from there on and take the one most like the rest; 1 takes the first. */
  readonly among?: number;
}

/** Arguments that every ffmpeg call begins with. */
export const ffmpegStart = (maxPixels = DEFAULT_MAX_PIXELS, threads = 1): string[] => [
  '-v',
  'error',
  '-hide_banner',
  '-nostdin',
  '-y',
  '-max_alloc',
  String(1024 * 1024 * 1024),
  '-threads',
  String(threads),
  '-max_pixels',
  String(maxPixels),
];

async function grab(input: MediaInput, request: FrameRequest, options: FfmpegOptions): Promise<Buffer | string> {
  const { ffmpeg, signal, timeout = 60_000, maxPixels, threads } = options;
  const { time, among = 1, width, height } = request;
  const filters = [
    ...(among > 1 ? [`thumbnail=n=${among}`] : []),
    `scale=${width}:${height}:flags=bicubic`,
    'setsar=1',
    'format=rgb24',
  ];
  const args = [
    ...ffmpegStart(maxPixels, threads),
    ...(time > 0 ? ['-ss', time.toFixed(3)] : []),
    ...inputArgs(input),
    ...['-map', '0:V:0', '-frames:v', '1', '-vf', filters.join(','), '-an', '-sn', '-dn'],
    ...['-f', 'rawvideo', 'pipe:1'],
  ];
  const bytes = width * height * 3;
  const { stdout, stderr } = await run(ffmpeg, args, { signal, timeout, maxOutput: bytes + 1024 });
  return stdout.length === bytes ? stdout : safeReason(stderr, [input.file]) || 'no frame there';
}

/**
 * One frame of a video, upright, scaled to exactly `width` × `height`: RGB, three bytes a pixel. Where the asked time has
 * none (a damaged or wrongly labelled file), the first frame that can be decoded.
 * @throws MediaError
 */
export async function videoFrame(input: MediaInput, request: FrameRequest, options: FfmpegOptions): Promise<Buffer> {
  const frame = await grab(input, request, options);
  if (typeof frame !== 'string') return frame;
  const first =
    request.time > 0 || (request.among ?? 1) > 1
      ? await grab(input, { ...request, time: 0, among: 1 }, options)
      : frame;
  if (typeof first !== 'string') return first;
  throw invalidMedia(`No picture of the video can be decoded: ${first}`);
}

/** `count` moments spread evenly over a length: the middles of equal parts. Seconds. */
export const evenTimes = (duration: number, count: number): number[] =>
  Array.from({ length: count }, (_, i) => Number((((i + 0.5) * duration) / count).toFixed(3)));
