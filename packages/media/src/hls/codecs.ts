/** Codec lists for master playlists. */
import fs from 'node:fs/promises';
import path from 'node:path';
import { run } from '../process/run.js';
import { hevcCodec } from './hevc-codec.js';

/** profile_idc and constraint flags of H.264 profiles in the form of RFC 6381. */
const PROFILES: Readonly<Record<string, string>> = {
  'Constrained Baseline': '42c0',
  Baseline: '4200',
  Main: '4d40',
  High: '6400',
};

/**
 * The RFC 6381 codec list of an MPEG-TS segment, derived from its streams; empty if unknown.
 * @param segment made by this server
 */
async function segmentCodecs(segment: string, ffprobe: string): Promise<string> {
  const args = [
    '-v',
    'error',
    '-protocol_whitelist',
    'file',
    '-f',
    'mpegts',
    '-of',
    'json',
    '-show_streams',
    `file:${segment}`,
  ];
  const { stdout } = await run(ffprobe, args, { timeout: 20_000 });
  const { streams = [] } = JSON.parse(stdout.toString('utf8') || '{}') as {
    streams?: { codec_name?: string; profile?: string; level?: number }[];
  };
  const names = streams.map(({ codec_name: codec, profile = '', level = 0 }) => {
    const bits = PROFILES[profile];
    if (codec === 'h264' && bits && level > 0) return `avc1.${bits}${level.toString(16).padStart(2, '0')}`;
    return codec === 'aac' ? 'mp4a.40.2' : undefined;
  });
  const known = names.filter((name) => name !== undefined);
  return known.length === streams.length ? [...new Set(known)].join(',') : '';
}

/**
 * The RFC 6381 codec list of a rendition; empty if unknown.
 * @param hasSound AAC-LC, in which all sound is encoded here
 * @throws Error if fragmented MP4 contains no HEVC
 */
export async function renditionCodecs(
  folder: string,
  { map, first }: { readonly map: string | undefined; readonly first: string | undefined },
  { ffprobe, hasSound }: { readonly ffprobe: string; readonly hasSound: boolean },
): Promise<string> {
  if (map === undefined) return first === undefined ? '' : segmentCodecs(path.join(folder, first), ffprobe);
  const video = hevcCodec(await fs.readFile(path.join(folder, map)));
  return hasSound ? `${video},mp4a.40.2` : video;
}
