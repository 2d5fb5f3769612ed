/** The files of a stream in its folder. */
import { randomBytes } from 'node:crypto';
import fs from 'node:fs/promises';
import path from 'node:path';
import { HLS_FILES } from '@cl-server/contract';
import { parseMediaPlaylist, type Segment } from './playlist.js';

const STREAM_FILE = /^adaptive(-[\w-]+)?\.(m3u8|ts|m4s|mp4)(\.tmp|\.[0-9a-f]{8}\.draft)?$/;

/** Names of the files of a rendition in fragmented MP4; `segments` is the pattern with which ffmpeg numbers them. */
export const fmp4Names = (rendition: string) => ({
  playlist: `${rendition}.m3u8`,
  init: `${rendition}-init.mp4`,
  segments: `${rendition}-%03d.m4s`,
});

/** Writes a text atomically: readers see the old text or the new one. */
export async function writeAtomically(file: string, text: string): Promise<void> {
  const draft = `${file}.${randomBytes(4).toString('hex')}.draft`;
  await fs.writeFile(draft, text);
  await fs.rename(draft, file);
}

const ENTRY_PLAYLISTS: readonly string[] = [HLS_FILES.master, HLS_FILES.live];

/** Names of the files of a stream; the playlists that players read first come first. */
export async function streamFiles(folder: string): Promise<readonly string[]> {
  const names = (await fs.readdir(folder).catch(() => [])).filter((name) => STREAM_FILE.test(name));
  return [
    ...names.filter((name) => ENTRY_PLAYLISTS.includes(name)),
    ...names.filter((name) => !ENTRY_PLAYLISTS.includes(name)),
  ];
}

/** Deletes a stream. */
export async function clearStream(folder: string): Promise<void> {
  for (const name of await streamFiles(folder)) await fs.rm(path.join(folder, name), { force: true });
}

export interface StoredSegment extends Segment {
  /** Bytes. */
  readonly size: number;
}

export interface StoredPlaylist {
  readonly segments: readonly StoredSegment[];
  /** The file that a player reads before any segment. */
  readonly map: string | undefined;
}

/**
 * The files of a finished rendition, each checked to exist.
 * @throws Error that says what is missing
 */
export async function checkedFiles(folder: string, playlist: string): Promise<StoredPlaylist> {
  const { segments, map, ended } = parseMediaPlaylist(await fs.readFile(path.join(folder, playlist), 'utf8'));
  if (!ended) throw new Error(`${playlist} is not finished`);
  if (segments.length === 0) throw new Error(`${playlist} has no segments`);
  const sizeOf = async (uri: string): Promise<number> => {
    const { size } = await fs.stat(path.join(folder, path.basename(uri)));
    if (size === 0) throw new Error(`${uri} is empty`);
    return size;
  };
  if (map !== undefined) await sizeOf(map);
  return {
    map: map && path.basename(map),
    segments: await Promise.all(
      segments.map(async (segment) => ({
        ...segment,
        uri: path.basename(segment.uri),
        size: await sizeOf(segment.uri),
      })),
    ),
  };
}
