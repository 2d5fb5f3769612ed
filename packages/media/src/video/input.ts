import { unsupportedMediaKind } from '../errors.js';
import type { MediaKind } from '../sniff/kinds.js';
import { sniffFile } from '../sniff/sniff.js';

/** A file that ffmpeg may open, with the only demuxer that may read it. */
export interface MediaInput {
  readonly file: string;
  readonly kind: MediaKind & { readonly demuxer: string };
}

/**
 * Sniffs a file and allows it to ffmpeg only as what it is: playlists, concat lists, SDP, DASH and the like have no
 * demuxer here, whatever the file is called.
 * @throws MediaError `unsupported_media`
 */
export async function mediaInput(file: string): Promise<MediaInput> {
  const kind = await sniffFile(file);
  if (kind.demuxer === undefined || kind.type === 'image')
    throw unsupportedMediaKind(`The file is neither a video nor a sound that can be read (it is ${kind.mime})`);
  return { file, kind: { ...kind, demuxer: kind.demuxer } };
}

/** How every ffmpeg and ffprobe call opens its input: pinned demuxer, local files only, no name taken for a protocol. */
export const inputArgs = ({ file, kind }: MediaInput): string[] => [
  '-protocol_whitelist',
  'file',
  '-format_whitelist',
  FORMAT_NAMES[kind.demuxer] ?? kind.demuxer,
  '-f',
  kind.demuxer,
  '-i',
  `file:${file}`,
];

/** ffmpeg compares the whitelist with a demuxer's full list of names. */
const FORMAT_NAMES: Readonly<Record<string, string>> = {
  mov: 'mov,mp4,m4a,3gp,3g2,mj2',
  matroska: 'matroska,webm',
};
