/** Extracts the covers of songs. */
import fs from 'node:fs/promises';
import { invalidMedia, safeReason, unsupportedMediaKind } from '../errors.js';
import { run } from '../process/run.js';
import { type FfmpegOptions, ffmpegStart } from './frame.js';
import { inputArgs, type MediaInput } from './input.js';
import type { ProbeResult } from './probe.js';

const MAX_COVER = 50 * 1024 * 1024;

/**
 * Extracts the attached picture of a song unchanged into a file. Treat it like any upload.
 * @throws MediaError if there is none
 */
export async function extractCover(
  input: MediaInput,
  info: ProbeResult,
  target: string,
  options: FfmpegOptions,
): Promise<void> {
  if (info.cover === undefined) throw unsupportedMediaKind('The file contains no video and no cover picture');
  const args = [
    ...ffmpegStart(options.maxPixels),
    ...inputArgs(input),
    ...['-map', `0:${info.cover}`, '-frames:v', '1', '-c', 'copy', '-f', 'image2pipe', 'pipe:1'],
  ];
  const { signal, timeout = 60_000 } = options;
  const { stdout, stderr } = await run(options.ffmpeg, args, { signal, timeout, maxOutput: MAX_COVER });
  if (stdout.length === 0) throw invalidMedia(`The cover cannot be read: ${safeReason(stderr, [input.file])}`);
  await fs.writeFile(target, stdout);
}
