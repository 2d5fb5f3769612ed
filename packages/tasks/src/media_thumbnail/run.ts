/** The work of the task `media_thumbnail`. */
import path from 'node:path';
import type { mediaThumbnailTask } from '@cl-server/contract';
import {
  contactSheet,
  extractCover,
  imageThumbnail,
  MediaError,
  type MediaKind,
  MIME_OF_FORMAT,
  mediaInput,
  probe,
  readHeadSync,
  SHEET,
  sheetIndex,
  sniffHead,
  unsupportedMediaKind,
  videoThumbnail,
} from '@cl-server/media';
import type { TaskContext, TaskModule } from '@cl-server/task-kit';
import type { z } from 'zod';
import { onMedia, pictureOptions } from '../media-error.js';

type Contract = typeof mediaThumbnailTask;
type Params = z.output<Contract['form']>;
type Output = z.output<Contract['output']>;

const settings = ({ params, env, signal }: TaskContext<Params>) => ({
  width: params.width,
  height: params.height,
  keepAspect: params.maintain_aspect_ratio,
  format: params.format,
  quality: params.quality,
  background: params.background,
  ...pictureOptions(env),
  threads: env.threads,
  signal,
});

function tools({ env }: TaskContext<Params>) {
  const { ffmpeg, ffprobe } = env.tools;
  if (!ffmpeg || !ffprobe)
    throw new MediaError(
      'tool_missing',
      'Thumbnails of video and audio files need ffmpeg and ffprobe, which are not installed',
    );
  return { ffmpeg, ffprobe };
}

/** @param known what has already been read of the file */
async function ofImage(
  file: string,
  context: TaskContext<Params>,
  known: { readonly head?: Buffer; readonly kind?: MediaKind } = {},
): Promise<Output> {
  const { params, files } = context;
  const target = await files.output(params.output_path);
  const { damage, ...written } = await imageThumbnail(file, target, { ...settings(context), ...known });
  const { output_path, format } = params;
  const mime_type = MIME_OF_FORMAT[format];
  return { media_type: 'image', output_path, mime_type, ...written, time: null, sheet: null, picture_error: damage };
}

/** Makes the thumbnail of a video from a frame, and of a song or a film without a video track from its cover. */
async function ofRecording(file: string, context: TaskContext<Params>): Promise<Output> {
  const { params, files, scratch, progress, signal } = context;
  const { ffmpeg, ffprobe } = tools(context);
  const input = await mediaInput(file);
  const info = await probe(input, { ffprobe, signal });
  const options = { ...settings(context), ffmpeg };
  progress(10);
  if (!info.video) {
    const cover = path.join(scratch, 'cover');
    await extractCover(input, info, cover, options);
    return { ...(await ofImage(cover, context)), media_type: 'audio' };
  }
  const { output_path, format } = params;
  const { time, ...written } = await videoThumbnail(input, info, await files.output(output_path), options);
  const sheet = params.sheet ? await ofWhole(input, info, context, options) : null;
  const mime_type = MIME_OF_FORMAT[format];
  return { media_type: 'video', output_path, mime_type, ...written, time, sheet, picture_error: null };
}

async function ofWhole(
  input: Awaited<ReturnType<typeof mediaInput>>,
  info: Awaited<ReturnType<typeof probe>>,
  { params, files, progress }: TaskContext<Params>,
  options: Parameters<typeof contactSheet>[3],
): Promise<Output['sheet']> {
  const name = `sheet.${params.format}`;
  const paths = { output_path: `output/${name}`, index_path: 'output/sheet.vtt' };
  const target = await files.output(paths.output_path);
  const sheet = await contactSheet(input, info, target, options, (done, of) => progress(20 + (70 * done) / of));
  await files.write(paths.index_path, sheetIndex(sheet, info.duration, name));
  const { cell, times } = sheet;
  return { ...paths, ...SHEET, cell_width: cell.width, cell_height: cell.height, times: [...times] };
}

async function thumbnail(context: TaskContext<Params>): Promise<Output> {
  const { input } = context.files;
  if (input === undefined) throw new Error('the job has no input');
  const head = readHeadSync(input);
  const kind = await sniffHead(head, input);
  if (kind.type === 'image') return ofImage(input, context, { head, kind });
  if (kind.demuxer !== undefined) return ofRecording(input, context);
  const what = kind.type === 'text' || kind.type === 'url' ? kind.type : kind.mime;
  throw unsupportedMediaKind(`Unsupported media type: ${what}. Only image, video and audio are supported.`);
}

export const mediaThumbnail = (): TaskModule<Params, z.input<Contract['output']>> => ({
  run: async (context) => {
    const output = await onMedia(thumbnail(context));
    context.progress(100);
    return output;
  },
});
