/** Reads the streams of a container with ffprobe. */
import { type Hdr, hdrOfNames } from '../colour/hdr.js';
import { invalidMedia, MediaError, safeReason } from '../errors.js';
import { run } from '../process/run.js';
import { inputArgs, type MediaInput } from './input.js';
import { measuredLength } from './length.js';

/** Only headers are read, but a damaged one may announce any length. */
const MAX_MEMORY = 1024 ** 3;

export interface VideoStream {
  readonly index: number;
  readonly codec: string;
  /** Pixels as displayed: after rotation, with square pixels. */
  readonly width: number;
  readonly height: number;
  /** Degrees clockwise by which the stored picture is rotated for display: 0, 90, 180 or 270. */
  readonly rotation: number;
  /** Frames per second; 0 if unknown. */
  readonly frameRate: number;
  readonly pixelFormat: string;
  /** Set if its numbers mean brightness beyond white. */
  readonly hdr: Hdr | undefined;
  /** Each frame consists of two half pictures from two moments. */
  readonly isInterlaced: boolean;
  /** The container mirrors the stored picture. */
  readonly isMirrored: boolean;
  /** Seconds after the beginning of the earliest stream. */
  readonly begin: number;
}

export interface AudioStream {
  readonly index: number;
  readonly codec: string;
  readonly channels: number;
}

export interface ProbeResult {
  /** Seconds; 0 if unknown. */
  readonly duration: number;
  /** Bits per second; 0 if unknown. */
  readonly bitrate: number;
  readonly video: VideoStream | undefined;
  readonly audio: readonly AudioStream[];
  /** Index of an attached picture: the cover of a song, the poster of a film. */
  readonly cover: number | undefined;
  /** Tags of the container, with keys in lower case. */
  readonly tags: Readonly<Record<string, string>>;
}

export interface ProbeOptions {
  readonly ffprobe: string;
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds; default 20 s. */
  readonly timeout?: number;
}

interface RawStream {
  index: number;
  codec_type?: string;
  codec_name?: string;
  width?: number;
  height?: number;
  channels?: number;
  pix_fmt?: string;
  avg_frame_rate?: string;
  sample_aspect_ratio?: string;
  duration?: string;
  start_time?: string;
  field_order?: string;
  color_transfer?: string;
  color_primaries?: string;
  tags?: Record<string, string>;
  disposition?: Record<string, number>;
  side_data_list?: { rotation?: number; displaymatrix?: string }[];
}
interface RawProbe {
  streams?: RawStream[];
  format?: { duration?: string; start_time?: string; bit_rate?: string; tags?: Record<string, string> };
}

const ratio = (text = '', separator = '/'): number => {
  const [a, b] = text.split(separator).map(Number);
  return a !== undefined && b ? a / b : 0;
};
const finite = (text: string | undefined): number => {
  const value = Number(text);
  return Number.isFinite(value) && value > 0 ? value : 0;
};

/** Rows of a display matrix as ffprobe prints them: `00000000:  65536  0  0`. */
const MATRIX_ROW = /^[ \t]*[0-9a-f]{8}:[ \t]+(-?\d+)[ \t]+(-?\d+)[ \t]+-?\d+[ \t]*$/gm;

/** Whether a matrix mirrors the picture: then its determinant is negative. */
function mirrors(matrix: string | undefined): boolean {
  const [first, second] = [...(matrix ?? '').matchAll(MATRIX_ROW)].map(([, a, b]) => [Number(a), Number(b)] as const);
  return first !== undefined && second !== undefined && first[0] * second[1] - first[1] * second[0] < 0;
}

const INTERLACED: readonly string[] = ['tt', 'bb', 'tb', 'bt'];

function videoStream(stream: RawStream, earliest: number): VideoStream | undefined {
  const { width = 0, height = 0 } = stream;
  if (width <= 0 || height <= 0) return undefined;
  const turned = stream.side_data_list?.find((s) => s.rotation !== undefined)?.rotation;
  const clockwise = turned !== undefined ? -turned : Number(stream.tags?.rotate ?? 0);
  const rotation = (((Math.round(clockwise / 90) * 90) % 360) + 360) % 360;
  const aspect = ratio(stream.sample_aspect_ratio, ':') || 1;
  const shown = { width: Math.max(1, Math.round(width * aspect)), height };
  const sideways = rotation % 180 === 90;
  return {
    index: stream.index,
    codec: stream.codec_name ?? 'unknown',
    width: sideways ? shown.height : shown.width,
    height: sideways ? shown.width : shown.height,
    rotation,
    frameRate: ratio(stream.avg_frame_rate),
    pixelFormat: stream.pix_fmt ?? 'unknown',
    hdr: hdrOfNames(stream.color_primaries, stream.color_transfer),
    isInterlaced: INTERLACED.includes(stream.field_order ?? ''),
    isMirrored: mirrors(stream.side_data_list?.find((s) => s.displaymatrix !== undefined)?.displaymatrix),
    begin: Math.max(0, begin(stream) - earliest),
  };
}

/** Begin in seconds on the file's own clock. */
const begin = ({ start_time: time }: RawStream): number => (Number.isFinite(Number(time)) ? Number(time) : 0);

function toResult(raw: RawProbe): ProbeResult {
  const streams = raw.streams ?? [];
  const isCover = (s: RawStream): boolean => s.disposition?.attached_pic === 1;
  const films = streams.filter((s) => s.codec_type === 'video' && !isCover(s));
  const timed = streams.filter((s) => s.codec_type === 'audio' || films.includes(s));
  const earliest = timed.length > 0 ? Math.min(...timed.map(begin)) : 0;
  const durations = [raw.format?.duration, ...streams.map((s) => s.duration)].map(finite);
  return {
    duration: durations[0] || Math.max(0, ...durations),
    bitrate: finite(raw.format?.bit_rate),
    video: films.map((film) => videoStream(film, earliest)).find((s) => s !== undefined),
    audio: streams
      .filter((s) => s.codec_type === 'audio' && s.codec_name !== undefined)
      .map((s) => ({ index: s.index, codec: s.codec_name ?? 'unknown', channels: s.channels ?? 0 })),
    cover: streams.find((s) => s.codec_type === 'video' && isCover(s))?.index,
    tags: Object.fromEntries(
      Object.entries(raw.format?.tags ?? {}).map(([name, value]) => [name.toLowerCase(), String(value)]),
    ),
  };
}

/**
 * Reads the streams of a container with ffprobe; a length that the header omits is measured.
 * @throws MediaError if the file cannot be read as the sniffed kind
 */
export async function probe(
  input: MediaInput,
  { ffprobe, signal, timeout = 20_000 }: ProbeOptions,
): Promise<ProbeResult> {
  const args = ['-v', 'error', '-hide_banner', '-of', 'json', '-show_format', '-show_streams', ...inputArgs(input)];
  const { code, stdout, stderr } = await run(ffprobe, args, {
    signal,
    timeout,
    maxOutput: 4 * 1024 * 1024,
    memory: MAX_MEMORY,
  });
  if (code !== 0)
    throw invalidMedia(
      `The file cannot be read as ${input.kind.mime}: ${safeReason(stderr, [input.file]) || 'it is damaged'}`,
    );
  const found = parse(stdout.toString('utf8'));
  if (found.duration > 0 || (!found.video && found.audio.length === 0)) return found;
  return { ...found, duration: await measuredLength(input, { ffprobe, signal }) };
}

function parse(answer: string): ProbeResult {
  try {
    return toResult(JSON.parse(answer) as RawProbe);
  } catch (cause) {
    throw new MediaError('task_failed', 'The answer of ffprobe cannot be read', { cause });
  }
}
