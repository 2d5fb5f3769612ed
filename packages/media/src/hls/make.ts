/**
 * Makes an HLS stream.
 *
 * ```
 * wait for the folder -> set an earlier stream aside -> ffmpeg writes segments and event playlists
 *   -> every rendition has a segment: `adaptive-live.m3u8`
 *   -> ffmpeg ends -> segments checked -> VOD playlists -> `adaptive.m3u8`
 *   -> the live master and the earlier stream are deleted
 * a hardware encoder fails -> try again in software
 * an original in HDR cannot be copied -> try again with an original in SDR
 * any other failure, abort or time-out -> everything removed, an earlier stream comes back
 * ```
 *
 * So `adaptive.m3u8` exists exactly when the stream is complete.
 */

import fs from 'node:fs/promises';
import path from 'node:path';
import { HLS_FILES } from '@cl-server/contract';
import { exists, withLock } from '@cl-server/kit';
import { toneMapCube } from '../colour/tone-map.js';
import { invalidMedia, MediaError, safeReason } from '../errors.js';
import { run } from '../process/run.js';
import { renditionCodecs } from './codecs.js';
import { CUBE_FILE, type HlsPlan, hlsArguments } from './command.js';
import { deleteEarlier, restoreEarlier, setAside } from './earlier.js';
import { type Encoder, SOFTWARE } from './encoder.js';
import { checkedFiles, clearStream, type StoredSegment, writeAtomically } from './folder.js';
import { AUDIO_KBPS, type Rendition, withoutHdr } from './ladder.js';
import { masterPlaylist, parseMediaPlaylist, type StreamEntry, vodPlaylist } from './playlist.js';

export interface MakeOptions {
  readonly ffmpeg: string;
  readonly ffprobe: string;
  readonly signal: AbortSignal;
  /** Milliseconds. */
  readonly timeout: number;
  /** Percentage of the length that has been made; the first call comes when the stream can be played. */
  readonly onProgress: (percent: number) => void;
}

export interface MadeRendition extends Rendition {
  readonly playlist: string;
  /** Peak bit rate in bits per second. */
  readonly bandwidth: number;
  readonly segments: number;
}

export interface MadeStream {
  /** The encoder of the plan, or the software encoder if that one failed. */
  readonly encoder: Encoder;
  readonly renditions: readonly MadeRendition[];
}

const playlistOf = ({ name }: Rendition): string => `${name}.m3u8`;
const bits = (parts: readonly StoredSegment[]): number => parts.reduce((sum, { size }) => sum + size * 8, 0);
const seconds = (parts: readonly StoredSegment[]): number => parts.reduce((sum, { duration }) => sum + duration, 0);

/** Peak bit rate: that of a single segment that is not too short to matter. */
const peak = (parts: readonly StoredSegment[]): number =>
  Math.max(bits(parts) / seconds(parts), ...parts.filter((p) => p.duration >= 0.5).map((p) => bits([p]) / p.duration));

/** Maximum difference in seconds between the lengths of renditions: a picture or two, and a block of sound. */
const MAX_LENGTH_DIFFERENCE = 0.5;

const hasHdr = ({ renditions }: HlsPlan): boolean => renditions.some(({ range }) => range !== 'SDR');

/** Codecs of a rendition that has begun. The live playlist names them if a player must choose between codecs. */
async function codecsBegun({ folder, info }: HlsPlan, rendition: Rendition, ffprobe: string): Promise<string> {
  const { map, segments } = parseMediaPlaylist(await fs.readFile(path.join(folder, playlistOf(rendition)), 'utf8'));
  const [first] = segments.map(({ uri }) => path.basename(uri));
  return renditionCodecs(
    folder,
    { map: map && path.basename(map), first },
    { ffprobe, hasSound: info.audio.length > 0 },
  );
}

/** Writes the live master once every rendition has begun, and reports progress only from then on. */
function liveReporter(plan: HlsPlan, { ffprobe, onProgress }: MakeOptions) {
  const { folder, renditions, info } = plan;
  let live = false;
  let busy: Promise<void> = Promise.resolve();
  const report = async (percent: number): Promise<void> => {
    if (!live) {
      const begun = await Promise.all(renditions.map((rendition) => exists(path.join(folder, playlistOf(rendition)))));
      if (begun.includes(false)) return;
      const sound = info.audio.length > 0 ? AUDIO_KBPS : 0;
      const entries = await Promise.all(
        renditions.map(async (rendition): Promise<StreamEntry> => {
          const bandwidth = Math.round((rendition.kbps + sound) * 1100);
          const codecs = hasHdr(plan) ? await codecsBegun(plan, rendition, ffprobe) : '';
          return { ...rendition, playlist: playlistOf(rendition), bandwidth, codecs };
        }),
      );
      await writeAtomically(path.join(folder, HLS_FILES.live), masterPlaylist(entries));
      live = true;
    }
    onProgress(percent);
  };
  return {
    onLine: (line: string): void => {
      const made = /^out_time_us=(\d+)/.exec(line)?.[1];
      if (made === undefined) return;
      // A film of unknown length can also be played while it is being made.
      const percent = info.duration > 0 ? Math.min(99, Math.max(1, Number(made) / 1e4 / info.duration)) : 1;
      busy = busy.then(() => report(percent)).catch(() => undefined);
    },
    flushed: () => busy,
  };
}

/** Checks all renditions and writes the final playlists. */
async function publish(plan: HlsPlan, { ffprobe }: MakeOptions): Promise<readonly MadeRendition[]> {
  const { folder, renditions, info } = plan;
  const finished = await Promise.all(
    renditions.map(async (rendition) => {
      const playlist = playlistOf(rendition);
      const { segments, map } = await checkedFiles(folder, playlist);
      if (seconds(segments) <= 0) throw invalidMedia('The video has no length that could be played');
      const inside = { map, first: segments[0]?.uri };
      const codecs = await renditionCodecs(folder, inside, { ffprobe, hasSound: info.audio.length > 0 });
      await writeAtomically(path.join(folder, playlist), vodPlaylist({ segments, map }));
      const bandwidth = Math.ceil(peak(segments));
      const averageBandwidth = Math.ceil(bits(segments) / seconds(segments));
      const entry: StreamEntry = { ...rendition, playlist, bandwidth, averageBandwidth, codecs };
      const made = { ...rendition, playlist, bandwidth, segments: segments.length };
      return { entry, made, length: seconds(segments) };
    }),
  );
  const lengths = finished.map(({ length }) => length);
  if (hasHdr(plan) && Math.max(...lengths) - Math.min(...lengths) > MAX_LENGTH_DIFFERENCE)
    throw new Error('the length of the original in HDR differs from that of the other renditions');
  const master = masterPlaylist(finished.map(({ entry }) => entry));
  await writeAtomically(path.join(folder, HLS_FILES.master), master);
  await fs.rm(path.join(folder, HLS_FILES.live), { force: true });
  return finished.map(({ made }) => made);
}

async function encode(plan: HlsPlan, making: MakeOptions): Promise<readonly MadeRendition[]> {
  const { folder, input } = plan;
  const { ffmpeg, signal, timeout } = making;
  const live = liveReporter(plan, making);
  try {
    const { hdr } = plan.source;
    if (hdr) await fs.writeFile(path.join(plan.scratch, CUBE_FILE), toneMapCube(hdr));
    const options = { signal, timeout, onLine: live.onLine, cwd: plan.scratch };
    const { code, stderr } = await run(ffmpeg, hlsArguments(plan), options);
    await live.flushed();
    if (code !== 0)
      throw invalidMedia(
        `The video cannot be converted: ${safeReason(stderr, [input.file, folder]) || 'it is damaged'}`,
      );
    return await publish(plan, making);
  } catch (error) {
    await live.flushed();
    if (error instanceof MediaError) throw error;
    throw new MediaError('task_failed', 'The stream that was made is incomplete', { cause: error });
  }
}

/**
 * The plan to try after a failure. Hardware refuses sizes that its trial did not have, runs out of sessions or memory,
 * and disappears. A stored stream may lack what a copy needs, or differ in length from its pictures.
 */
function fallback(plan: HlsPlan, error: unknown): HlsPlan | undefined {
  if (!(error instanceof MediaError && (error.code === 'invalid_input' || error.code === 'task_failed')))
    return undefined;
  if (plan.encoder.name !== SOFTWARE.name) return { ...plan, encoder: SOFTWARE };
  return hasHdr(plan) ? { ...plan, renditions: withoutHdr(plan.renditions) } : undefined;
}

async function makeOrFallBack(plan: HlsPlan, options: MakeOptions): Promise<MadeStream> {
  try {
    return { encoder: plan.encoder, renditions: await encode(plan, options) };
  } catch (error) {
    const other = fallback(plan, error);
    if (!other) throw error;
    await clearStream(plan.folder);
    return makeOrFallBack(other, options);
  }
}

async function makeInto(plan: HlsPlan, options: MakeOptions): Promise<MadeStream> {
  const { folder } = plan;
  await setAside(folder);
  try {
    const stream = await makeOrFallBack(plan, options);
    await deleteEarlier(folder);
    return stream;
  } catch (error) {
    await restoreEarlier(folder);
    throw error;
  }
}

/** A file within the folder, so that both are removed together; players cannot request this name. */
const LOCK = '.adaptive.lock';

/**
 * Executes a plan. Runs on the same folder, also of other processes, wait for each other.
 * @throws MediaError; the folder then contains no stream, or a complete one that was there before
 */
export async function makeHls(plan: HlsPlan, options: MakeOptions): Promise<MadeStream> {
  const { signal, timeout } = options;
  const tooLate = AbortSignal.timeout(timeout);
  const waiting = AbortSignal.any([signal, tooLate]);
  try {
    return await withLock(path.join(plan.folder, LOCK), { signal: waiting }, () => makeInto(plan, options));
  } catch (error) {
    if (error instanceof MediaError || !waiting.aborted) throw error;
    if (signal.aborted) throw new MediaError('cancelled', 'The work was cancelled', { cause: error });
    throw new MediaError('timeout', 'Making another stream in the same folder took too long', { cause: error });
  }
}
