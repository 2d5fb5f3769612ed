/** The arguments of the ffmpeg call that makes a stream. */
import path from 'node:path';
import { ffmpegStart } from '../video/frame.js';
import { DEINTERLACE } from '../video/grab.js';
import { inputArgs, type MediaInput } from '../video/input.js';
import type { ProbeResult, VideoStream } from '../video/probe.js';
import type { Encoder } from './encoder.js';
import { fmp4Names } from './folder.js';
import { AUDIO_KBPS, FALLBACK_RATE, MAX_LATE_SECONDS, MAX_RATE, type Rendition } from './ladder.js';

/** Seconds in a segment. */
export const SEGMENT_SECONDS = 2;
/**
 * Time in seconds at which the film begins on the clock of renditions in both containers. Decoding begins before the
 * first displayed picture, and ffmpeg shifts each output whose times would be negative by its own amount, unless no
 * output has any.
 */
const CLOCK_START = 10;
/** ffmpeg's multiplexer for MPEG-TS adds this number of seconds; the times of fragmented MP4 must be the same. */
const TS_DELAY = 1.4;

export interface HlsPlan {
  readonly input: MediaInput;
  readonly info: ProbeResult;
  readonly source: VideoStream;
  readonly renditions: readonly Rendition[];
  readonly encoder: Encoder;
  /** Folder for playlists and segments. */
  readonly folder: string;
  readonly threads: number;
  readonly maxPixels: number;
  /** Folder for temporary files; ffmpeg runs in it. */
  readonly scratch: string;
}

/** File in `scratch` with the tone-mapped colours of an HDR source. Its name needs no escaping in a filter. */
export const CUBE_FILE = 'tone-map.cube';

/**
 * Filters before scaling: each frame is one whole picture, the frame rate is one that players show, and the film starts
 * at its beginning.
 */
function whole({ frameRate, isInterlaced, begin }: VideoStream): readonly string[] {
  return [
    ...(isInterlaced ? [DEINTERLACE] : []),
    ...(frameRate > MAX_RATE ? [`fps=${MAX_RATE}`] : frameRate === 0 ? [`fps=${FALLBACK_RATE}`] : []),
    // All renditions have the time line of the file: the first picture is displayed from the beginning.
    ...(begin > MAX_LATE_SECONDS
      ? ['setpts=PTS-STARTPTS', `tpad=start_duration=${begin.toFixed(3)}:start_mode=clone`]
      : []),
  ];
}

/** PQ and HLG become BT.709 and are marked as such. */
const TO_SDR = [
  'format=gbrp12le',
  `lut3d=file=${CUBE_FILE}:interp=tetrahedral`,
  'scale=out_color_matrix=bt709:out_range=tv',
  'setparams=range=tv:color_primaries=bt709:color_trc=bt709:colorspace=bt709',
];

/** Decodes once and splits the frames for all encoded renditions; colours are in the range that players expect. */
function filters(encoded: readonly Rendition[], source: VideoStream, { takes }: Encoder): string {
  const branches = encoded.map((_, i) => `[s${i}]`).join('');
  const scaled = encoded.map(({ width, height }, i) => {
    const size = `scale=${width}:${height}:flags=bicubic${source.hdr ? '' : ':out_range=tv'}`;
    return `[s${i}]${[size, ...(source.hdr ? TO_SDR : []), 'setsar=1', takes].join(',')}[v${i}]`;
  });
  return [`[0:V:0]${[...whole(source), `split=${encoded.length}`].join(',')}${branches}`, ...scaled].join(';');
}

function videoArgs(rendition: Rendition, at: number, encoder: Encoder): string[] {
  if (rendition.copy) return [`-c:v:${at}`, 'copy'];
  const { kbps } = rendition;
  return [
    ...[`-c:v:${at}`, encoder.name, `-profile:v:${at}`, 'high'],
    ...[
      `-b:v:${at}`,
      `${kbps}k`,
      `-maxrate:v:${at}`,
      `${Math.round(kbps * 1.07)}k`,
      `-bufsize:v:${at}`,
      `${kbps * 2}k`,
    ],
    // There is a key frame at every cut at any frame rate, and the encoder adds none before it.
    ...[`-force_key_frames:v:${at}`, `expr:gte(t,n_forced*${SEGMENT_SECONDS})`, `-g:v:${at}`, '1000'],
  ];
}

/** Encoder arguments without a stream apply to every encoded stream; a copied stream would refuse them. */
const perStream = (args: readonly string[], at: number): string[] =>
  args.map((arg) => (arg.startsWith('-') && !/^-\d/.test(arg) ? `${arg}:v:${at}` : arg));

/** The renditions of one container, which ffmpeg writes as one output. */
function output(renditions: readonly Rendition[], plan: HlsPlan, own: readonly string[]): string[] {
  const { info, source, encoder, threads } = plan;
  const encoded = encodedOf(plan);
  const [sound] = info.audio;
  const maps = renditions.flatMap((rendition) => [
    '-map',
    rendition.copy ? `0:${source.index}` : `[v${encoded.indexOf(rendition)}]`,
  ]);
  return [
    ...maps,
    ...(sound ? renditions.flatMap(() => ['-map', `0:${sound.index}`]) : []),
    ...renditions.flatMap((rendition, i) => [
      ...videoArgs(rendition, i, encoder),
      ...(rendition.copy ? [] : perStream(encoder.args, i)),
    ]),
    ...(sound ? ['-c:a', 'aac', '-b:a', `${AUDIO_KBPS}k`, '-ac', '2', '-ar', '48000'] : []),
    ...['-sn', '-dn', '-map_metadata', '-1', '-map_chapters', '-1', '-max_muxing_queue_size', '4096'],
    ...['-threads', String(threads)],
    ...['-f', 'hls', '-hls_time', String(SEGMENT_SECONDS), '-hls_playlist_type', 'event'],
    ...['-hls_flags', 'independent_segments+temp_file', ...own],
  ];
}

function mpegTs(renditions: readonly Rendition[], plan: HlsPlan, clock: number): string[] {
  const { folder, info } = plan;
  const sound = info.audio.length > 0;
  const streams = renditions.map(
    ({ name }, i) => `v:${i},${sound ? `a:${i},` : ''}name:${name.slice(name.indexOf('-') + 1)}`,
  );
  return output(renditions, plan, [
    ...['-hls_segment_type', 'mpegts', ...(clock > 0 ? ['-output_ts_offset', String(clock)] : [])],
    ...['-hls_segment_filename', path.join(folder, 'adaptive-%v-%03d.ts')],
    ...['-var_stream_map', streams.join(' '), path.join(folder, 'adaptive-%v.m3u8')],
  ]);
}

/**
 * Fragmented MP4 without edit lists, which players interpret differently: its fragments have the times of the clock.
 */
function fragmentedMp4(rendition: Rendition, plan: HlsPlan): string[] {
  const { playlist, init, segments } = fmp4Names(rendition.name);
  return output([rendition], plan, [
    ...['-tag:v', 'hvc1', '-hls_segment_type', 'fmp4', '-output_ts_offset', String(CLOCK_START + TS_DELAY)],
    ...['-hls_segment_options', 'avoid_negative_ts=disabled:movflags=+frag_discont:use_editlist=0'],
    ...['-hls_fmp4_init_filename', init, '-hls_segment_filename', path.join(plan.folder, segments)],
    path.join(plan.folder, playlist),
  ]);
}

const encodedOf = ({ renditions }: HlsPlan): readonly Rendition[] => renditions.filter(({ copy }) => !copy);

/** Arguments of the one ffmpeg call that makes all renditions of a stream. */
export function hlsArguments(plan: HlsPlan): string[] {
  const { input, source, renditions, encoder, threads, maxPixels } = plan;
  const encoded = encodedOf(plan);
  const sdr = renditions.filter(({ range }) => range === 'SDR');
  const hdr = renditions.filter(({ range }) => range !== 'SDR');
  return [
    ...ffmpegStart(maxPixels, threads),
    ...(encoded.length > 0 ? encoder.device : []),
    ...['-progress', 'pipe:1', '-stats_period', '0.5', '-nostats'],
    ...inputArgs(input),
    ...(encoded.length > 0 ? ['-filter_complex', filters(encoded, source, encoder)] : []),
    ...mpegTs(sdr, plan, hdr.length > 0 ? CLOCK_START : 0),
    ...hdr.flatMap((rendition) => fragmentedMp4(rendition, plan)),
  ];
}
