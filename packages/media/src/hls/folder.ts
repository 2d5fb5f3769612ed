import { randomBytes } from 'node:crypto';
import fs from 'node:fs/promises';
import path from 'node:path';
import { HLS_FILES } from '@cl-server/contract';
import { parseMediaPlaylist, type Segment } from './playlist.js';

const OURS = /^adaptive(-[\w-]+)?\.(m3u8|ts)(\.tmp|\.[0-9a-f]{8}\.draft)?$/;

/** Whole or not at all: readers see the old text or the new one. */
export async function writeAtomically(file: string, text: string): Promise<void> {
  const draft = `${file}.${randomBytes(4).toString('hex')}.draft`;
  await fs.writeFile(draft, text);
  await fs.rename(draft, file);
}

/** Removes a stream; the playlists that players begin with go first. */
export async function clearStream(folder: string): Promise<void> {
  for (const first of [HLS_FILES.master, HLS_FILES.live]) await fs.rm(path.join(folder, first), { force: true });
  const names = await fs.readdir(folder).catch(() => []);
  for (const name of names) if (OURS.test(name)) await fs.rm(path.join(folder, name), { force: true });
}

export interface StoredSegment extends Segment {
  /** Bytes. */
  readonly size: number;
}

/**
 * A finished rendition's segments, each proved to be there.
 * @throws Error saying what is missing
 */
export async function checkedSegments(folder: string, playlist: string): Promise<readonly StoredSegment[]> {
  const { segments, ended } = parseMediaPlaylist(await fs.readFile(path.join(folder, playlist), 'utf8'));
  if (!ended) throw new Error(`${playlist} is not finished`);
  if (segments.length === 0) throw new Error(`${playlist} has no segments`);
  return Promise.all(
    segments.map(async (segment) => {
      const { size } = await fs.stat(path.join(folder, path.basename(segment.uri)));
      if (size === 0) throw new Error(`segment ${segment.uri} is empty`);
      return { ...segment, uri: path.basename(segment.uri), size };
    }),
  );
}
