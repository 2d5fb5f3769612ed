/** Finds the fastest H.264 encoder that works on this machine. */
import { run } from '../process/run.js';

/** An H.264 encoder of ffmpeg with arguments that make it cut at the requested places. */
export interface Encoder {
  readonly name: string;
  readonly args: readonly string[];
  /** Filters that convert frames to the form that the encoder takes. */
  readonly takes: string;
  /** Arguments before the input that name the device. */
  readonly device: readonly string[];
}

/** An encoder that takes frames from memory and finds its device by itself. */
const fromMemory = (name: string, ...args: string[]): Encoder => ({ name, args, takes: 'format=yuv420p', device: [] });

/** The encoder that works everywhere. */
export const SOFTWARE = fromMemory('libx264', '-preset', 'veryfast', '-sc_threshold', '0', '-forced-idr', '1');

/** The fastest first. VAAPI, for AMD and older Intel hardware on Linux, takes frames in the memory of its device. */
const hardware: readonly Encoder[] = [
  fromMemory('h264_nvenc', '-preset', 'p4', '-no-scenecut', '1', '-forced-idr', '1'),
  fromMemory('h264_videotoolbox', '-realtime', '0'),
  fromMemory('h264_qsv', '-preset', 'veryfast', '-forced_idr', '1'),
  {
    name: 'h264_vaapi',
    args: [],
    takes: 'format=nv12,hwupload',
    device: ['-init_hw_device', 'vaapi=gpu', '-filter_hw_device', 'gpu'],
  },
];

/**
 * Tries an encoder. ffmpeg also lists encoders whose hardware is missing; only a trial shows this.
 * @throws MediaError `timeout` if the device does not answer: it may be busy, or waking up
 */
async function works(ffmpeg: string, { name, args, takes, device }: Encoder, timeout: number): Promise<boolean> {
  const trial = ['-v', 'error', '-nostdin', ...device, '-f', 'lavfi', '-i', 'color=size=320x240:rate=25:duration=0.2'];
  const encode = ['-vf', takes, '-c:v', name, ...args, '-profile:v', 'high', '-f', 'null', '-'];
  const { code } = await run(ffmpeg, [...trial, ...encode], { timeout });
  return code === 0;
}

const TRIAL_MS = 10_000;
const RETRY_AFTER_MS = 600_000;

interface EncoderFinderOptions {
  /** Caches the result of `find` under a name; errors are not cached. */
  readonly remember: <T>(name: string, find: () => Promise<T>) => Promise<T>;
  /** Called with the names of encoders whose trial had no answer. */
  readonly onUnanswered: (names: readonly string[], used: Encoder) => void;
  /** Milliseconds for one trial. */
  readonly trialMs?: number;
  /** Monotonic clock in milliseconds. */
  readonly now?: () => number;
}

/**
 * Finds the fastest H.264 encoder that works on this machine. The result of a trial is cached by `remember`; an encoder
 * whose trial had no answer is tried again by the next process, and by this one ten minutes later.
 */
export class EncoderFinder {
  readonly #options: Required<EncoderFinderOptions>;
  #found: Encoder | undefined;
  #dueAt = Number.POSITIVE_INFINITY;

  constructor(options: EncoderFinderOptions) {
    this.#options = { trialMs: TRIAL_MS, now: () => performance.now(), ...options };
  }

  async find(ffmpeg: string): Promise<Encoder> {
    const { now, onUnanswered } = this.#options;
    if (this.#found && now() < this.#dueAt) return this.#found;
    const unanswered: string[] = [];
    const found = await this.#try(ffmpeg, unanswered);
    this.#found = found;
    this.#dueAt = unanswered.length > 0 ? now() + RETRY_AFTER_MS : Number.POSITIVE_INFINITY;
    if (unanswered.length > 0) onUnanswered(unanswered, found);
    return found;
  }

  async #try(ffmpeg: string, unanswered: string[]): Promise<Encoder> {
    const { remember, trialMs } = this.#options;
    const listed = await remember(`H.264 encoders of ${ffmpeg}`, () => this.#listed(ffmpeg));
    for (const encoder of hardware.filter(({ name }) => listed.includes(name))) {
      try {
        if (await remember(`trial of ${encoder.name} by ${ffmpeg}`, () => works(ffmpeg, encoder, trialMs)))
          return encoder;
      } catch {
        unanswered.push(encoder.name);
      }
    }
    return SOFTWARE;
  }

  async #listed(ffmpeg: string): Promise<string[]> {
    const { stdout } = await run(ffmpeg, ['-v', 'error', '-hide_banner', '-encoders'], { timeout: TRIAL_MS });
    const text = stdout.toString('utf8');
    return hardware.map(({ name }) => name).filter((name) => text.includes(` ${name} `));
  }
}
