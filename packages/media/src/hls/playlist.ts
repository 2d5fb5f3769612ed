/** Reads and writes HLS playlists (RFC 8216; VIDEO-RANGE: RFC 8216bis), as far as this package needs them. */
import type { VideoRange } from './ladder.js';

export interface Segment {
  readonly uri: string;
  /** Seconds. */
  readonly duration: number;
}

export interface MediaPlaylist {
  readonly segments: readonly Segment[];
  /** Address of the file that a player reads before any segment: the beginning of fragmented MP4. */
  readonly map?: string | undefined;
  /** The playlist has `#EXT-X-ENDLIST`: nothing will be added. */
  readonly ended: boolean;
}

/** @throws Error if the text is not a media playlist */
export function parseMediaPlaylist(text: string): MediaPlaylist {
  const lines = text.split(/\r?\n/);
  if (lines[0] !== '#EXTM3U') throw new Error('a playlist must begin with #EXTM3U');
  const segments: Segment[] = [];
  let duration: number | undefined;
  for (const line of lines) {
    if (line.startsWith('#EXTINF:')) duration = Number.parseFloat(line.slice(8));
    else if (line !== '' && !line.startsWith('#')) {
      if (duration === undefined || !Number.isFinite(duration)) throw new Error(`segment ${line} has no duration`);
      segments.push({ uri: line, duration });
      duration = undefined;
    }
  }
  const map = lines.map((line) => /^#EXT-X-MAP:(?:.*,)?URI="([^"]+)"/.exec(line)?.[1]).find((uri) => uri !== undefined);
  return { segments, map, ended: lines.includes('#EXT-X-ENDLIST') };
}

/** Protocol versions for MPEG-TS and for fragmented MP4. */
const VERSION = { ts: 6, fmp4: 7 } as const;

/** The playlist of a complete stream. */
export function vodPlaylist({ segments, map }: Pick<MediaPlaylist, 'segments' | 'map'>): string {
  const target = Math.max(1, ...segments.map(({ duration }) => Math.round(duration)));
  return [
    '#EXTM3U',
    `#EXT-X-VERSION:${map === undefined ? VERSION.ts : VERSION.fmp4}`,
    `#EXT-X-TARGETDURATION:${target}`,
    '#EXT-X-MEDIA-SEQUENCE:0',
    '#EXT-X-PLAYLIST-TYPE:VOD',
    '#EXT-X-INDEPENDENT-SEGMENTS',
    ...(map === undefined ? [] : [`#EXT-X-MAP:URI="${map}"`]),
    ...segments.flatMap(({ uri, duration }) => [`#EXTINF:${duration.toFixed(6)},`, uri]),
    '#EXT-X-ENDLIST',
    '',
  ].join('\n');
}

export interface StreamEntry {
  readonly playlist: string;
  readonly width: number;
  readonly height: number;
  /** Peak and mean bit rate in bits per second. */
  readonly bandwidth: number;
  readonly averageBandwidth?: number;
  /** RFC 6381; empty if unknown. */
  readonly codecs: string;
  /** Frames per second; 0 if unknown. */
  readonly frameRate: number;
  readonly range: VideoRange;
}

/** A master playlist, the best rendition first. It lists ranges and frame rates if one of the renditions is HDR. */
export function masterPlaylist(entries: readonly StreamEntry[]): string {
  const sorted = [...entries].sort((a, b) => b.bandwidth - a.bandwidth);
  const hasHdr = entries.some(({ range }) => range !== 'SDR');
  return [
    '#EXTM3U',
    `#EXT-X-VERSION:${hasHdr ? VERSION.fmp4 : VERSION.ts}`,
    '#EXT-X-INDEPENDENT-SEGMENTS',
    ...sorted.flatMap(({ playlist, width, height, bandwidth, averageBandwidth, codecs, frameRate, range }) => [
      `#EXT-X-STREAM-INF:BANDWIDTH=${bandwidth}` +
        (averageBandwidth ? `,AVERAGE-BANDWIDTH=${averageBandwidth}` : '') +
        `,RESOLUTION=${width}x${height}` +
        (hasHdr && frameRate > 0 ? `,FRAME-RATE=${frameRate.toFixed(3)}` : '') +
        (codecs ? `,CODECS="${codecs}"` : '') +
        (hasHdr ? `,VIDEO-RANGE=${range}` : ''),
      playlist,
    ]),
    '',
  ].join('\n');
}
