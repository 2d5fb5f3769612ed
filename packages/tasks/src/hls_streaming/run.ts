/** The work of the task `hls_streaming`. */
import path from 'node:path';
import { HLS_FILES, type hlsStreamingTask } from '@cl-server/contract';
import {
  type Encoder,
  EncoderFinder,
  type HlsPlan,
  ladder,
  type MadeRendition,
  type MadeStream,
  makeHls,
  mediaInput,
  originalRange,
  pictureTrack,
  probe,
  unsupportedMediaKind,
} from '@cl-server/media';
import {
  invalidInput,
  type TaskContext,
  type TaskEnvironment,
  type TaskModule,
  TaskUnavailable,
} from '@cl-server/task-kit';
import type { z } from 'zod';
import { onMedia } from '../media-error.js';
import { inside } from './folders.js';

type Contract = typeof hlsStreamingTask;
type Params = z.output<Contract['form']>;
type Output = z.output<Contract['output']>;
type Context = TaskContext<Params>;

/** Never reached: the task's own limit ends it earlier. */
const TIMEOUT_MS = 7 * 3600 * 1000;

function toolsOf({ tools }: TaskEnvironment) {
  const { ffmpeg, ffprobe } = tools;
  if (!ffmpeg || !ffprobe) throw new TaskUnavailable('tool_missing', 'Streaming needs ffmpeg and ffprobe');
  return { ffmpeg, ffprobe };
}

/**
 * The source file and the target folder. Links may have changed since the job was created, so both are checked again.
 */
async function places({ files, params, env }: Context): Promise<{ source: string; folder: string; prefix: string }> {
  const { input_absolute_path: from, output_absolute_path: to } = params;
  const source = files.input ?? (from === null ? undefined : await inside(env.mediaDir, from));
  if (source === undefined) throw invalidInput('The video is not in the media folder');
  if (to === null) {
    const master = await files.output(`output/${HLS_FILES.master}`);
    return { source, folder: path.dirname(master), prefix: 'output/' };
  }
  const folder = await inside(env.streamsDir, to);
  if (folder === undefined) throw invalidInput('The stream’s folder is not in the streams folder');
  return { source, folder, prefix: '' };
}

async function planFor(context: Context, source: string, folder: string, encoder: Encoder): Promise<HlsPlan> {
  const { env, params, signal } = context;
  const { ffprobe } = toolsOf(env);
  const input = await mediaInput(source);
  const info = await probe(input, { ffprobe, signal });
  if (!info.video) throw unsupportedMediaKind('The file does not contain a video stream');
  const track = pictureTrack(info, env.maxImagePixels);
  const { variants, include_original: includeOriginal } = params;
  const range = includeOriginal ? await originalRange(input, track, { ffprobe, signal }) : 'SDR';
  const renditions = ladder(info, track, variants, includeOriginal, range);
  const { threads, maxImagePixels: maxPixels } = env;
  const { scratch } = context;
  return { input, info, source: track, renditions, encoder, folder, threads, maxPixels, scratch };
}

function outputOf({ params }: Context, plan: HlsPlan, { encoder, renditions }: MadeStream, prefix: string): Output {
  const isOriginal = ({ resolution, bitrate }: MadeRendition): boolean => resolution === null && bitrate === null;
  const variants = renditions.filter((rendition) => !isOriginal(rendition));
  const original = renditions.find(isOriginal);
  return {
    master_playlist: `${prefix}${HLS_FILES.master}`,
    variants_generated: variants.length,
    total_segments: variants.reduce((sum, { segments }) => sum + segments, 0),
    include_original: params.include_original,
    original_playlist: original ? `${prefix}${original.playlist}` : null,
    duration: plan.info.duration,
    variants: variants.map(({ playlist, resolution, bitrate, width, height, bandwidth, segments }) => ({
      playlist: `${prefix}${playlist}`,
      resolution,
      bitrate,
      width,
      height,
      bandwidth,
      segments,
    })),
    encoder: encoder.name,
  };
}

export function hlsStreaming(): TaskModule<Params, z.input<Contract['output']>> {
  let encoders: EncoderFinder | undefined;
  return {
    setup: async (env) => {
      encoders ??= new EncoderFinder({
        remember: env.once,
        onUnanswered: (names, { name }) =>
          env.logger.warn({ encoders: names, used: name }, 'hardware encoders do not answer; trying again later'),
      });
      await encoders.find(toolsOf(env).ffmpeg);
    },
    run: async (context) => {
      if (!encoders) throw new Error('setup has not run');
      const encoder = await encoders.find(toolsOf(context.env).ffmpeg);
      const { source, folder, prefix } = await places(context);
      const plan = await onMedia(planFor(context, source, folder, encoder));
      const made = await onMedia(
        makeHls(plan, {
          ...toolsOf(context.env),
          signal: context.signal,
          timeout: TIMEOUT_MS,
          onProgress: (percent) => context.progress(percent),
        }),
      );
      context.progress(100);
      return outputOf(context, plan, made, prefix);
    },
  };
}
