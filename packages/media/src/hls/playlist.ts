/** HLS playlists (RFC 8216), as far as they are written here. */

export interface Segment {
  readonly uri: string;
  /** Seconds. */
  readonly duration: number;
}

export interface MediaPlaylist {
  readonly segments: readonly Segment[];
  /** Nothing will be added: `#EXT-X-ENDLIST` is there. */
  readonly ended: boolean;
}

/** @throws Error where the text is no media playlist */
export function parseMediaPlaylist(text: string): MediaPlaylist {
  const lines = text.split(/\r?\n/);
  if (lines[0] !== '#EXTM3U') throw new Error('a playlist begins with #EXTM3U');
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
  return { segments, ended: lines.includes('#EXT-X-ENDLIST') };
}

/** A playlist of a stream that is whole. */
export function vodPlaylist(segments: readonly Segment[]): string {
  const target = Math.max(1, ...segments.map(({ duration }) => Math.round(duration)));
  return [
    '#EXTM3U',
    '#EXT-X-VERSION:6',
    `#EXT-X-TARGETDURATION:${target}`,
    '#EXT-X-MEDIA-SEQUENCE:0',
    '#EXT-X-PLAYLIST-TYPE:VOD',
    '#EXT-X-INDEPENDENT-SEGMENTS',
    ...segments.flatMap(({ uri, duration }) => [`#EXTINF:${duration.toFixed(6)},`, uri]),
    '#EXT-X-ENDLIST',
    '',
  ].join('\n');
}

export interface StreamEntry {
  readonly playlist: string;
  readonly width: number;
  readonly height: number;
  /** Peak and mean, bits per second. */
  readonly bandwidth: number;
  readonly averageBandwidth?: number;
  /** RFC 6381; empty where unknown. */
  readonly codecs: string;
}

/** A master playlist, the best rendition first. */
export function masterPlaylist(entries: readonly StreamEntry[]): string {
  const sorted = [...entries].sort((a, b) => b.bandwidth - a.bandwidth);
  return [
    '#EXTM3U',
    '#EXT-X-VERSION:6',
    '#EXT-X-INDEPENDENT-SEGMENTS',
    ...sorted.flatMap(({ playlist, width, height, bandwidth, averageBandwidth, codecs }) => [
      `#EXT-X-STREAM-INF:BANDWIDTH=${bandwidth}` +
        (averageBandwidth ? `,AVERAGE-BANDWIDTH=${averageBandwidth}` : '') +
        `,RESOLUTION=${width}x${height}` +
        (codecs ? `,CODECS="${codecs}"` : ''),
      playlist,
    ]),
    '',
  ].join('\n');
}
