/** Opens files for ffmpeg safely. */
import { unsupportedMediaKind } from '../errors.js';
import type { MediaKind } from '../sniff/kinds.js';
import { sniffFile } from '../sniff/sniff.js';

/** A file that ffmpeg may open, with the only demuxer that may read it. */
export interface MediaInput {
  readonly file: string;
  readonly kind: MediaKind & { readonly demuxer: string };
}

/**
 * Sniffs a file and allows ffmpeg to open it only as the detected kind: playlists, concat lists, SDP, DASH and the like
 * have no demuxer here, whatever the name of the file is.
 * @throws MediaError `unsupported_media`
 */
export async function mediaInput(file: string): Promise<MediaInput> {
  const kind = await sniffFile(file);
  if (kind.demuxer === undefined || kind.type === 'image')
    throw unsupportedMediaKind(`The file is neither a readable video nor a readable audio file (it is ${kind.mime})`);
  return { file, kind: { ...kind, demuxer: kind.demuxer } };
}

/**
 * Limits one block of memory. A header of a kilobyte may announce gigabytes, and the compressed header of a QuickTime movie
 * unpacks to a thousand times its size; a frame of 150 megapixels needs less than this for each of its planes.
 */
const MAX_ALLOCATION = 256 * 1024 * 1024;

/**
 * Arguments with which every ffmpeg and ffprobe call opens its input: one demuxer, local files only, and no file name
 * that could be taken for a protocol.
 */
export const inputArgs = ({ file, kind }: MediaInput): string[] => [
  '-max_alloc',
  String(MAX_ALLOCATION),
  '-protocol_whitelist',
  'file',
  '-format_whitelist',
  FORMAT_NAMES[kind.demuxer] ?? kind.demuxer,
  '-f',
  kind.demuxer,
  '-i',
  `file:${file}`,
];

/** ffmpeg compares the allowed formats with a demuxer's full list of names. */
const FORMAT_NAMES: Readonly<Record<string, string>> = {
  mov: 'mov,mp4,m4a,3gp,3g2,mj2',
  matroska: 'matroska,webm',
};
