/** One call of ffmpeg that decodes from somewhere before a moment on, and gives the frame that is on screen then. */
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
  /** Threads of the decoder. Default 1. */
  readonly threads?: number;
}

/** What of a picture track changes how its frames are shown. */
export type FrameTrack = Pick<VideoStream, 'hdr' | 'isInterlaced'>;

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

export interface Grab extends Size {
  readonly track: FrameTrack;
  /** Seconds from the beginning. */
  readonly time: number;
  /** Where to look for a key frame to decode from; 0 reads from the very beginning. */
  readonly from: number;
  /** Seeking may land between key frames. */
  readonly blind: boolean;
  /** Look at so many frames from there on and take the one most like the rest; 1 takes the one on screen at the time. */
  readonly among: number;
}

export interface Grabbed {
  /** RGB; undefined where there is no frame at the time. */
  readonly pixels: Buffer | undefined;
  /** The frame's own time, or the asked one where the frame is on screen then. */
  readonly time: number;
  /** Decoding began only after the asked time, so the frame is a later one. */
  readonly late: boolean;
  /** Time of the last frame before the asked time, where all frames are before it. */
  readonly last: number | undefined;
  /** Why there is no frame, in ffmpeg's words. */
  readonly reason: string;
}

/** Nothing decoded before the first key frame is a picture: some decoders give grey with traces of movement. */
const FROM_KEY_FRAME = 'select=if(ld(0)\\,1\\,st(0\\,key+eq(pict_type\\,PICT_TYPE_I)))';
/** Frames tell their times on standard error; `-v error` silences the filters that would say it more simply. */
const mark = (name: string, enable = '1'): string =>
  `metadata=add:key=${name}:value=1:enable=${enable},metadata=print:key=${name}:file=pipe\\\\:2`;
const MARK = /frame:\d+\s+pts:\S+\s+pts_time:(\S+)\s+(seen|taken)=1\s*/g;

function filters({ time, from, blind, among, width, height, track }: Grab): string {
  const at = (time - from).toFixed(3);
  const begin = blind && from > 0 ? [FROM_KEY_FRAME] : [];
  // `fps` is the filter that looks one frame ahead: what it gives first is the last frame that begins before `at`.
  const choice =
    among > 1
      ? [mark('seen', 'eq(n\\,0)'), `trim=start=${at}`, `thumbnail=n=${among}`, mark('taken')]
      : [mark('seen'), `fps=1000:start_time=${at}:round=down:eof_action=pass`, 'trim=end_frame=1'];
  const whole = track.isInterlaced ? [DEINTERLACE] : [];
  const size = [`scale=${width}:${height}:flags=bicubic`, 'setsar=1', `format=${track.hdr ? 'rgb48le' : 'rgb24'}`];
  // A frame from before the place that was sought would be dropped for its negative time.
  return [...begin, ...whole, ...choice, 'setpts=0', ...size].join(',');
}

/** One whole picture of each frame's two halves, by their movement; frames that are whole already pass. */
export const DEINTERLACE = 'bwdif=mode=send_frame:deint=interlaced';

/** PQ and HLG come with 16 bits a channel, and are shown in 8. */
function shown(pixels: Buffer, { hdr }: FrameTrack): Buffer {
  if (!hdr) return pixels;
  const numbers = new Uint16Array(pixels.buffer, pixels.byteOffset, pixels.length / 2);
  return Buffer.from(toneMap({ data: numbers, channels: 3, top: 65_535 }, hdr).buffer);
}

/**
 * All frames from the key frame on, not only those that begin after the place that was sought; and where the seek failed,
 * the times as they are: by itself ffmpeg takes a leap of ten seconds for a mistake and writes its own.
 */
const AS_FOUND = ['-noaccurate_seek', '-dts_delta_threshold', '1000000'];

/** @throws MediaError as `run` does */
export async function grab(input: MediaInput, request: Grab, options: FfmpegOptions): Promise<Grabbed> {
  const { ffmpeg, signal, timeout = 60_000, maxPixels, threads } = options;
  const { time, from, width, height } = request;
  const args = [
    ...ffmpegStart(maxPixels, threads),
    ...(from > 0 ? [...AS_FOUND, '-ss', from.toFixed(3)] : []),
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
    reason: safeReason(stderr.replace(MARK, ''), [input.file]) || 'no frame there',
  };
}

/** What a signal or a missing program ends is not tried again; a try that took too long may have an earlier result. */
export const isTooSlow = (error: unknown): boolean => error instanceof MediaError && error.code === 'timeout';
