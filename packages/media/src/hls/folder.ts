import { randomBytes } from 'node:crypto';
import fs from 'node:fs/promises';
import path from 'node:path';
import { HLS_FILES } from '@cl-server/contract';
import { parseMediaPlaylist, type Segment } from './playlist.js';

const OURS = /^adaptive(-[\w-]+)?\.(m3u8|ts|m4s|mp4)(\.tmp|\.[0-9a-f]{8}\.draft)?$/;

/** Files of a rendition in fragmented MP4; `segments` as ffmpeg counts them. */
export const fmp4Names = (rendition: string) => ({
  playlist: `${rendition}.m3u8`,
  init: `${rendition}-init.mp4`,
  segments: `${rendition}-%03d.m4s`,
});

/** Whole or not at all: readers see the old text or the new one. */
export async function writeAtomically(file: string, text: string): Promise<void> {
  const draft = `${file}.${randomBytes(4).toString('hex')}.draft`;
  await fs.writeFile(draft, text);
  await fs.rename(draft, file);
}

const FIRST: readonly string[] = [HLS_FILES.master, HLS_FILES.live];

/** Names of a stream's files; the playlists that players begin with come first. */
export async function streamFiles(folder: string): Promise<readonly string[]> {
  const names = (await fs.readdir(folder).catch(() => [])).filter((name) => OURS.test(name));
  return [...names.filter((name) => FIRST.includes(name)), ...names.filter((name) => !FIRST.includes(name))];
}

/** Removes a stream. */
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
 * A finished rendition's files, each proved to be there.
 * @throws Error saying what is missing
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
