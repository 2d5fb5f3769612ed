/**
 * Frames of a video at given times, whatever the container. Where seeking goes by an index it lands on the key frame before
 * the asked time; elsewhere it may land anywhere, and the first picture to be had may be seconds later. So:
 *
 * ```
 *  look a little before the time --on screen then--> that one
 *    |        +--only earlier ones--> the last of them
 *    +--only later ones, or none--> look further back ... from the very beginning --> what there is
 * ```
 */
import { invalidMedia } from '../errors.js';
import type { Size } from '../image/size.js';
import { type FfmpegOptions, type FrameTrack, type Grabbed, grab, isTooSlow } from './grab.js';
import type { MediaInput } from './input.js';

export { type FfmpegOptions, ffmpegStart } from './grab.js';

export interface FrameRequest extends Size {
  /** The picture track, as `probe` found it. */
  readonly track: FrameTrack;
  /** Seconds from the beginning. */
  readonly time: number;
  /** Look at so many frames from there on and take the one most like the rest; 1 takes the one on screen then. */
  readonly among?: number;
}

export interface VideoFrame {
  /** RGB, three bytes a pixel. */
  readonly pixels: Buffer;
  /** A time at which this frame is on screen, in seconds: the asked one, where the video has a frame then. */
  readonly time: number;
}

/** Seconds before the asked time at which to begin, one after the other; then from the beginning. */
const BACK = [0, 10, 60];
/** Without an index. Broadcasts have a key frame every second or two, encoders by themselves one in 250 frames. */
const BACK_BLIND = [3, 12, 60];
const BLIND: readonly string[] = ['mpegts', 'mpeg'];

const startsFor = (time: number, blind: boolean): readonly number[] => {
  const back = blind ? BACK_BLIND : BACK;
  return [...new Set([...back.map((seconds) => Math.max(0, time - seconds)), 0])];
};

/** Whole, so that a second call asks for the rest of the time only. */
const remaining = (until: number): number => Math.max(1, Math.round(until - performance.now()));

/** A frame at the time or the nearest before it; a later one where there is none. @throws MediaError */
async function seek(input: MediaInput, request: Required<FrameRequest>, options: FfmpegOptions): Promise<Grabbed> {
  const { timeout = 60_000 } = options;
  const until = performance.now() + timeout;
  const blind = BLIND.includes(input.kind.demuxer);
  const limited = () => ({ ...options, timeout: remaining(until) });
  let best: Grabbed | undefined;
  try {
    for (const from of startsFor(request.time, blind)) {
      let found = await grab(input, { ...request, from, blind }, limited());
      if (found.last !== undefined && request.among === 1)
        found = await grab(input, { ...request, time: found.last, from, blind }, limited());
      if (found.pixels && !found.late) return found;
      best = found.pixels || !best?.pixels ? found : best;
      // Those that were not enough for a choice are looked at one by one.
      if (found.last !== undefined) break;
    }
  } catch (error) {
    if (!isTooSlow(error) || !best?.pixels) throw error;
  }
  return best ?? { pixels: undefined, time: 0, late: false, last: undefined, reason: 'no frame there' };
}

/**
 * One frame of a video, upright, scaled to exactly `width` × `height`. Where the asked time has none (a damaged file, one
 * that ends before its header says), the nearest one, and its time.
 * @throws MediaError
 */
export async function videoFrame(
  input: MediaInput,
  request: FrameRequest,
  options: FfmpegOptions,
): Promise<VideoFrame> {
  const { among = 1 } = request;
  let found = await seek(input, { ...request, among }, options);
  if (!found.pixels && among > 1) found = await seek(input, { ...request, among: 1 }, options);
  const { pixels, time, reason } = found;
  if (!pixels) throw invalidMedia(`No picture of the video can be decoded: ${reason}`);
  return { pixels, time };
}

/** `count` moments spread evenly over a length: the middles of equal parts. Seconds. */
export const evenTimes = (duration: number, count: number): number[] =>
  Array.from({ length: count }, (_, i) => Number((((i + 0.5) * duration) / count).toFixed(3)));
