import path from 'node:path';
import { ffmpegStart } from '../video/frame.js';
import { DEINTERLACE } from '../video/grab.js';
import { inputArgs, type MediaInput } from '../video/input.js';
import type { ProbeResult, VideoStream } from '../video/probe.js';
import type { Encoder } from './encoder.js';
import { AUDIO_KBPS, LATE, type Rendition } from './ladder.js';

/** Seconds of a segment. */
export const SEGMENT = 2;
/** Above this a frame rate is that of a screen recording's clock, and no eye sees the difference. */
const MAX_RATE = 60;
const FALLBACK_RATE = 30;

export interface HlsPlan {
  readonly input: MediaInput;
  readonly info: ProbeResult;
  readonly source: VideoStream;
  readonly renditions: readonly Rendition[];
  readonly encoder: Encoder;
  /** Folder that takes playlists and segments. */
  readonly folder: string;
  readonly threads: number;
  readonly maxPixels: number;
  /** Folder for files that are needed meanwhile; ffmpeg runs in it. */
  readonly scratch: string;
}

/** In `scratch`: what tone mapping makes of each colour of an HDR source. A name that needs no escaping in a filter. */
export const CUBE_FILE = 'tone-map.cube';

/** What happens to frames before they are scaled: one whole picture each, at a rate that players show, from the beginning. */
function whole({ frameRate, isInterlaced, begin }: VideoStream): readonly string[] {
  return [
    ...(isInterlaced ? [DEINTERLACE] : []),
    ...(frameRate > MAX_RATE ? [`fps=${MAX_RATE}`] : frameRate === 0 ? [`fps=${FALLBACK_RATE}`] : []),
    // All renditions have the time line of the file: the first picture stands from the beginning on.
    ...(begin > LATE ? ['setpts=PTS-STARTPTS', `tpad=start_duration=${begin.toFixed(3)}:start_mode=clone`] : []),
  ];
}

/** PQ and HLG become BT.709, and say so. */
const TO_SDR = [
  'format=gbrp12le',
  `lut3d=file=${CUBE_FILE}:interp=tetrahedral`,
  'scale=out_color_matrix=bt709:out_range=tv',
  'setparams=range=tv:color_primaries=bt709:color_trc=bt709:colorspace=bt709',
];

/** One decode, split for all renditions that are encoded; colours in the range that players expect. */
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
    // A key frame at every cut whatever the frame rate, and none the encoder fancies before.
    ...[`-force_key_frames:v:${at}`, `expr:gte(t,n_forced*${SEGMENT})`, `-g:v:${at}`, '1000'],
  ];
}

/** Encoder arguments without a stream go to every encoded one; a copied stream would refuse them. */
const perStream = (args: readonly string[], at: number): string[] =>
  args.map((arg) => (arg.startsWith('-') && !/^-\d/.test(arg) ? `${arg}:v:${at}` : arg));

/** The one ffmpeg call that makes all renditions of a stream. */
export function hlsArguments(plan: HlsPlan): string[] {
  const { input, info, source, renditions, encoder, folder, threads, maxPixels } = plan;
  const encoded = renditions.filter(({ copy }) => !copy);
  const [sound] = info.audio;
  const maps = renditions.flatMap((rendition) => [
    '-map',
    rendition.copy ? `0:${source.index}` : `[v${encoded.indexOf(rendition)}]`,
  ]);
  const sounds = sound ? renditions.flatMap(() => ['-map', `0:${sound.index}`]) : [];
  const streams = renditions.map(
    ({ name }, i) => `v:${i},${sound ? `a:${i},` : ''}name:${name.slice(name.indexOf('-') + 1)}`,
  );
  return [
    ...ffmpegStart(maxPixels, threads),
    ...(encoded.length > 0 ? encoder.device : []),
    ...inputArgs(input),
    ...(encoded.length > 0 ? ['-filter_complex', filters(encoded, source, encoder)] : []),
    ...maps,
    ...sounds,
    ...renditions.flatMap((rendition, i) => [
      ...videoArgs(rendition, i, encoder),
      ...(rendition.copy ? [] : perStream(encoder.args, i)),
    ]),
    ...(sound ? ['-c:a', 'aac', '-b:a', `${AUDIO_KBPS}k`, '-ac', '2', '-ar', '48000'] : []),
    ...['-sn', '-dn', '-map_metadata', '-1', '-map_chapters', '-1', '-max_muxing_queue_size', '4096'],
    ...['-threads', String(threads), '-progress', 'pipe:1', '-stats_period', '0.5', '-nostats'],
    ...['-f', 'hls', '-hls_time', String(SEGMENT), '-hls_playlist_type', 'event'],
    ...['-hls_flags', 'independent_segments+temp_file', '-hls_segment_type', 'mpegts'],
    ...['-hls_segment_filename', path.join(folder, 'adaptive-%v-%03d.ts')],
    ...['-var_stream_map', streams.join(' '), path.join(folder, 'adaptive-%v.m3u8')],
  ];
}
