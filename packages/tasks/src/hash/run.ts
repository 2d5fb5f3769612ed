/** The work of the task `hash`. */
import fs from 'node:fs/promises';
import type { hashTask } from '@cl-server/contract';
import {
  evenTimes,
  fileDigests,
  HASH_SIDE,
  hashesOf,
  imageHashes,
  MediaError,
  type MediaKind,
  mediaInput,
  type PerceptualHashes,
  pictureTrack,
  probe,
  sniffFile,
  videoFrame,
} from '@cl-server/media';
import type { TaskContext, TaskModule } from '@cl-server/task-kit';
import type { z } from 'zod';
import { onMedia, pictureOptions } from '../media-error.js';

type Contract = typeof hashTask;
type Params = z.output<Contract['form']>;
type Output = z.output<Contract['output']>;
type Perceptual = Pick<
  Output,
  | 'ahash'
  | 'dhash'
  | 'phash'
  | 'pdq'
  | 'pdq_quality'
  | 'flat_share'
  | 'layout'
  | 'frames'
  | 'perceptual_error'
  | 'picture_error'
>;

/** Number of frames of a video, spread evenly over its whole length. */
const FRAMES = 8;
/** Percentage of the progress that reading the bytes takes. */
const READING_PERCENT = 60;

const withoutHashes = (reason: string | null): Perceptual => ({
  ahash: null,
  dhash: null,
  phash: null,
  pdq: null,
  pdq_quality: null,
  flat_share: null,
  layout: null,
  frames: [],
  perceptual_error: reason,
  picture_error: null,
});

async function ofVideo(file: string, { env, signal, progress }: TaskContext<Params>): Promise<Perceptual> {
  const { ffmpeg, ffprobe } = env.tools;
  if (!ffmpeg || !ffprobe) return withoutHashes('Hashes of a video’s frames need ffmpeg, which is not installed');
  const input = await mediaInput(file);
  const info = await probe(input, { ffprobe, signal });
  if (!info.video) return withoutHashes(null);
  const track = pictureTrack(info, env.maxImagePixels);
  const size = { width: HASH_SIDE, height: HASH_SIDE };
  const hashes: (PerceptualHashes & { time: number })[] = [];
  for (const wanted of evenTimes(info.duration, info.duration > 0 ? FRAMES : 1)) {
    const request = { ...size, track, time: wanted };
    const { pixels, time } = await videoFrame(input, request, { ffmpeg, signal, maxPixels: env.maxImagePixels });
    hashes.push({ time, ...hashesOf(pixels) });
    progress(READING_PERCENT + (hashes.length / FRAMES) * (99 - READING_PERCENT));
  }
  return {
    ...withoutHashes(null),
    frames: hashes.map(({ time, ahash, dhash, phash, pdq }) => ({ time, ahash, dhash, phash, pdq })),
  };
}

/**
 * Perceptual hashes of a file with a picture. Digests never depend on them: a failure is only reported in the result.
 */
async function perceptual(file: string, kind: MediaKind, context: TaskContext<Params>): Promise<Perceptual> {
  const { env, signal } = context;
  try {
    if (kind.type === 'image') {
      const { damage, ...hashes } = await imageHashes(file, { kind, signal, ...pictureOptions(env) });
      return { ...withoutHashes(null), ...hashes, picture_error: damage };
    }
    return kind.type === 'video' ? await ofVideo(file, context) : withoutHashes(null);
  } catch (error) {
    if (error instanceof MediaError && error.code !== 'cancelled') return withoutHashes(error.message);
    throw error;
  }
}

async function run(context: TaskContext<Params>): Promise<Output> {
  const { files, params, progress, signal } = context;
  const { input } = files;
  if (input === undefined) throw new Error('the job has no input');
  const start = performance.now();
  const { size } = await fs.stat(input);
  const kind = await sniffFile(input);
  const digests = await onMedia(
    fileDigests(input, signal, (bytes) => progress((bytes / Math.max(1, size)) * READING_PERCENT)),
  );
  const hashes = await onMedia(perceptual(input, kind, context));
  const output: Output = {
    media_type: kind.type,
    hash_value: digests[params.algorithm],
    algorithm: params.algorithm === 'sha512' ? 'sha512_generic' : params.algorithm,
    process_time: Number(((performance.now() - start) / 1000).toFixed(6)),
    ...digests,
    ...hashes,
  };
  await files.write(params.output_path, JSON.stringify(output, null, 2));
  progress(100);
  return output;
}

export const hash = (): TaskModule<Params, z.input<Contract['output']>> => ({ run });
