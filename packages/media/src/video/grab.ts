/** One ffmpeg call that decodes from some place before a time and returns the frame that is displayed at that time. */
import { toneMap } from '../colour/tone-map.js';
import { MediaError, safeReason } from '../errors.js';
import { DEFAULT_MAX_PIXELS } from '../image/header.js';
import type { Size } from '../image/size.js';
import { run } from '../process/run.js';
import { inputArgs, type MediaInput } from './input.js';
import type { VideoStream } from './probe.js';

export interface FfmpegOptions {
  readonly ffmpeg: string;
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds. */
  readonly timeout?: number;
  readonly maxPixels?: number;
  /** Number of threads of the decoder. Default 1. */
  readonly threads?: number;
}

/** The properties of a video track that change how its frames are displayed. */
export type FrameTrack = Pick<VideoStream, 'hdr' | 'isInterlaced'>;

/** Arguments with which every ffmpeg call begins. */
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

export interface Grab extends Size {
  readonly track: FrameTrack;
  /** Seconds from the beginning. */
  readonly time: number;
  /** Time before which to look for a key frame to decode from; 0 reads from the very beginning. */
  readonly from: number;
  /** Seeking may land between key frames. */
  readonly blind: boolean;
  /**
   * Number of following frames among which the one most similar to the others is chosen; 1 takes the frame displayed at
   * that time.
   */
  readonly among: number;
}

export interface Grabbed {
  /** RGB; undefined if there is no frame at that time. */
  readonly pixels: Buffer | undefined;
  /** The frame's own time, or the requested one if the frame is displayed then. */
  readonly time: number;
  /** Decoding began only after the requested time, so the frame is a later one. */
  readonly late: boolean;
  /** Time of the last frame before the requested time, if all frames are before it. */
  readonly last: number | undefined;
  /** Why there is no frame, in the words of ffmpeg. */
  readonly reason: string;
}

/** Skips everything before the first key frame: some decoders return grey with traces of movement there. */
const FROM_KEY_FRAME = 'select=if(ld(0)\\,1\\,st(0\\,key+eq(pict_type\\,PICT_TYPE_I)))';
/** Frames print their times on standard error; `-v error` silences the filters that would do it more simply. */
const mark = (name: string, enable = '1'): string =>
  `metadata=add:key=${name}:value=1:enable=${enable},metadata=print:key=${name}:file=pipe\\\\:2`;
const MARK = /frame:\d+\s+pts:\S+\s+pts_time:(\S+)\s+(seen|taken)=1\s*/g;

function filters({ time, from, blind, among, width, height, track }: Grab): string {
  const at = (time - from).toFixed(3);
  const begin = blind && from > 0 ? [FROM_KEY_FRAME] : [];
  // `fps` is the filter that looks one frame ahead: it returns first the last frame that begins before `at`.
  const choice =
    among > 1
      ? [mark('seen', 'eq(n\\,0)'), `trim=start=${at}`, `thumbnail=n=${among}`, mark('taken')]
      : [mark('seen'), `fps=1000:start_time=${at}:round=down:eof_action=pass`, 'trim=end_frame=1'];
  const whole = track.isInterlaced ? [DEINTERLACE] : [];
  const size = [`scale=${width}:${height}:flags=bicubic`, 'setsar=1', `format=${track.hdr ? 'rgb48le' : 'rgb24'}`];
  // A frame from before the seek position would be dropped for its negative time.
  return [...begin, ...whole, ...choice, 'setpts=0', ...size].join(',');
}

/** Combines the two half pictures of an interlaced frame by their movement; progressive frames pass unchanged. */
export const DEINTERLACE = 'bwdif=mode=send_frame:deint=interlaced';

/** PQ and HLG frames have 16 bits for each channel and are displayed in 8. */
function shown(pixels: Buffer, { hdr }: FrameTrack): Buffer {
  if (!hdr) return pixels;
  const numbers = new Uint16Array(pixels.buffer, pixels.byteOffset, pixels.length / 2);
  return Buffer.from(toneMap({ data: numbers, channels: 3, top: 65_535 }, hdr).buffer);
}

/**
 * Keeps all frames from the key frame on, not only those after the seek position; and keeps their times after a failed
 * seek, because ffmpeg by default treats a jump of ten seconds as an error and writes its own times.
 */
const KEEP_ALL_FRAMES = ['-noaccurate_seek', '-dts_delta_threshold', '1000000'];

/** @throws MediaError as `run` does */
export async function grab(input: MediaInput, request: Grab, options: FfmpegOptions): Promise<Grabbed> {
  const { ffmpeg, signal, timeout = 60_000, maxPixels, threads } = options;
  const { time, from, width, height } = request;
  const args = [
    ...ffmpegStart(maxPixels, threads),
    ...(from > 0 ? [...KEEP_ALL_FRAMES, '-ss', from.toFixed(3)] : []),
    ...inputArgs(input),
    ...['-map', '0:V:0', '-frames:v', '1', '-vf', filters(request), '-an', '-sn', '-dn'],
    ...['-f', 'rawvideo', 'pipe:1'],
  ];
  const bytes = width * height * 3 * (request.track.hdr ? 2 : 1);
  const { stdout, stderr } = await run(ffmpeg, args, { signal, timeout, maxOutput: bytes + 1024 });
  const marks = [...stderr.matchAll(MARK)].map(([, pts, name]) => ({ name, at: from + Number(pts) }));
  const times = marks.filter(({ at }) => Number.isFinite(at));
  const seen = times.filter(({ name }) => name === 'seen').map(({ at }) => at);
  const taken = times.find(({ name }) => name === 'taken')?.at;
  const pixels = stdout.length === bytes ? shown(stdout, request.track) : undefined;
  const [first] = seen;
  // `fps` counts whole milliseconds.
  const late = first !== undefined && seen.every((at) => at >= time + 0.001);
  return {
    pixels,
    time: Math.max(0, Number((taken ?? (late ? first : time)).toFixed(3))),
    late,
    last: pixels || late ? undefined : seen.at(-1),
    reason: safeReason(stderr.replace(MARK, ''), [input.file]) || 'no frame at this time',
  };
}

/**
 * Whether a program timed out. After an abort or a missing program there is no further attempt; after a time-out an
 * earlier result may be used.
 */
export const isTooSlow = (error: unknown): boolean => error instanceof MediaError && error.code === 'timeout';
