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
