/**
 * Returns frames of a video at given times, for all containers. With an index, seeking finds the key frame before the
 * requested time; without one it may land anywhere, and the first decodable picture may come seconds later. Therefore:
 *
 * ```
 *  look a little before the time --displayed at that time--> that frame
 *    |        +--only earlier ones--> the last of them
 *    +--only later ones, or none--> look further back ... from the very beginning --> what is there
 * ```
 */
import { invalidMedia } from '../errors.js';
import type { Size } from '../image/size.js';
import { type FfmpegOptions, type FrameTrack, type Grabbed, grab, isTooSlow } from './grab.js';
import type { MediaInput } from './input.js';

export { type FfmpegOptions, ffmpegStart } from './grab.js';

export interface FrameRequest extends Size {
  /** The video track, as `probe` found it. */
  readonly track: FrameTrack;
  /** Seconds from the beginning. */
  readonly time: number;
  /**
   * Number of following frames among which the one most similar to the others is chosen; 1 takes the frame displayed at
   * that time.
   */
  readonly among?: number;
}

export interface VideoFrame {
  /** RGB, three bytes for each pixel. */
  readonly pixels: Buffer;
  /** A time at which this frame is displayed, in seconds: the requested one if the video has a frame then. */
  readonly time: number;
}

/** Seconds before the requested time at which decoding begins, tried in this order; then from the beginning. */
const SEEK_BACK = [0, 10, 60];
/**
 * The same without an index. Broadcasts have a key frame every second or two, encoders by default one in 250 frames.
 */
const SEEK_BACK_WITHOUT_INDEX = [3, 12, 60];
const FORMATS_WITHOUT_INDEX: readonly string[] = ['mpegts', 'mpeg'];

const startsFor = (time: number, blind: boolean): readonly number[] => {
  const back = blind ? SEEK_BACK_WITHOUT_INDEX : SEEK_BACK;
  return [...new Set([...back.map((seconds) => Math.max(0, time - seconds)), 0])];
};

/** An integer, so that a second call asks only for the rest of the time. */
const remaining = (until: number): number => Math.max(1, Math.round(until - performance.now()));

/** Finds the frame at the time or the nearest one before; a later one if there is none before. @throws MediaError */
async function seek(input: MediaInput, request: Required<FrameRequest>, options: FfmpegOptions): Promise<Grabbed> {
  const { timeout = 60_000 } = options;
  const until = performance.now() + timeout;
  const blind = FORMATS_WITHOUT_INDEX.includes(input.kind.demuxer);
  const limited = () => ({ ...options, timeout: remaining(until) });
  let best: Grabbed | undefined;
  try {
    for (const from of startsFor(request.time, blind)) {
      let found = await grab(input, { ...request, from, blind }, limited());
      if (found.last !== undefined && request.among === 1)
        found = await grab(input, { ...request, time: found.last, from, blind }, limited());
      if (found.pixels && !found.late) return found;
      best = found.pixels || !best?.pixels ? found : best;
      // If there were not enough frames for a choice, they are read one by one.
      if (found.last !== undefined) break;
    }
  } catch (error) {
    if (!isTooSlow(error) || !best?.pixels) throw error;
  }
  return best ?? { pixels: undefined, time: 0, late: false, last: undefined, reason: 'no frame at this time' };
}

/**
 * One frame of a video, upright, scaled to exactly `width` × `height`. If the requested time has none (a damaged file,
 * or one that ends before its header says), the nearest frame and its time.
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

/** `count` times in seconds, spread evenly over a length: the middles of equal parts. */
export const evenTimes = (duration: number, count: number): number[] =>
  Array.from({ length: count }, (_, i) => Number((((i + 0.5) * duration) / count).toFixed(3)));
