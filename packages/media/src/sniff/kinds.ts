/**
 * MIME types that clients know, with the extension under which each is saved and the ffmpeg demuxer that may read it.
 */

/** The kinds of content that the platform distinguishes. */
export type MediaType = 'image' | 'video' | 'audio' | 'text' | 'url' | 'file';

export interface MediaKind {
  readonly mime: string;
  /** File name extension without the dot. */
  readonly extension: string;
  readonly type: MediaType;
  /** The only ffmpeg demuxer that may open the file; absent if ffmpeg must not open it. */
  readonly demuxer?: string;
}

/** Other names of MIME types, mapped to the names that the platform uses. */
export const MIME_ALIASES: Readonly<Record<string, string>> = {
  'video/vnd.avi': 'video/x-msvideo',
  'video/matroska': 'video/x-matroska',
  'audio/x-flac': 'audio/flac',
  'audio/vnd.wave': 'audio/wav',
  'audio/x-wav': 'audio/wav',
  'video/mp1s': 'video/mpeg',
  'video/mp2p': 'video/mpeg',
  'video/MP1S': 'video/mpeg',
  'video/MP2P': 'video/mpeg',
  'application/xml': 'text/xml',
  'audio/ogg; codecs=opus': 'audio/ogg',
};

export const EXTENSIONS: Readonly<Record<string, string>> = {
  'image/jpeg': 'jpg',
  'image/svg+xml': 'svg',
  'image/tiff': 'tiff',
  'image/heic': 'heic',
  'image/heif': 'heif',
  'video/mp4': 'mp4',
  'video/mpeg': 'mpeg',
  'video/quicktime': 'mov',
  'video/x-msvideo': 'avi',
  'video/x-matroska': 'mkv',
  'video/webm': 'webm',
  'video/3gpp': '3gp',
  'video/mp2t': 'ts',
  'audio/mpeg': 'mp3',
  'audio/wav': 'wav',
  'audio/x-m4a': 'm4a',
  'audio/mp4': 'm4a',
  'image/x-nikon-nef': 'nef',
  'image/x-sony-arw': 'arw',
  'image/x-pentax-pef': 'pef',
  'image/x-samsung-srw': 'srw',
  'image/x-canon-cr2': 'cr2',
  'text/plain': 'txt',
  'text/html': 'html',
  'text/xml': 'xml',
  'application/pdf': 'pdf',
  'application/json': 'json',
  'application/vnd.apple.mpegurl': 'm3u8',
  'application/dash+xml': 'mpd',
  'application/sdp': 'sdp',
};

export const DEMUXERS: Readonly<Record<string, string>> = {
  'video/mp4': 'mov',
  'video/quicktime': 'mov',
  'video/x-m4v': 'mov',
  'video/3gpp': 'mov',
  'video/3gpp2': 'mov',
  'audio/x-m4a': 'mov',
  'audio/mp4': 'mov',
  'video/x-matroska': 'matroska',
  'video/webm': 'matroska',
  'audio/x-matroska': 'matroska',
  'video/x-msvideo': 'avi',
  'video/mp2t': 'mpegts',
  'video/mpeg': 'mpeg',
  'video/x-flv': 'flv',
  'video/x-ms-asf': 'asf',
  'video/x-ms-wmv': 'asf',
  'audio/x-ms-wma': 'asf',
  'audio/x-ms-asf': 'asf',
  'video/ogg': 'ogg',
  'audio/ogg': 'ogg',
  'audio/opus': 'ogg',
  'application/ogg': 'ogg',
  'audio/mpeg': 'mp3',
  'audio/wav': 'wav',
  'audio/flac': 'flac',
  'audio/aac': 'aac',
};

function typeOf(mime: string): MediaType {
  const family = mime.split('/', 1)[0];
  if (family === 'image' || family === 'video' || family === 'audio' || family === 'text') return family;
  return mime === 'application/ogg' ? 'audio' : 'file';
}

/** All facts about a MIME type. */
export function kindOf(mime: string, extension?: string): MediaKind {
  const known = MIME_ALIASES[mime] ?? mime;
  const subtype = known.split('/')[1]?.split(';')[0] ?? 'bin';
  const demuxer = DEMUXERS[known];
  return {
    mime: known,
    extension: EXTENSIONS[known] ?? extension ?? (known === 'application/octet-stream' ? 'bin' : subtype),
    type: typeOf(known),
    ...(demuxer !== undefined && { demuxer }),
  };
}
