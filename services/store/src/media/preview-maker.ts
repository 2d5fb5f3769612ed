/** Makes small upright PNGs. Runs in the process that opens files of clients, because it decodes such files. */
import fs from 'node:fs/promises';
import {
  extractCover,
  type ImageThumbnailOptions,
  imageThumbnail,
  MediaError,
  mediaInput,
  probe,
  unsupportedMediaKind,
  videoThumbnail,
} from '@cl-server/media';
import { PREVIEW } from '../files/preview-file.js';
import type { MediaSettings } from './protocol.js';

export interface PreviewRequest {
  readonly file: string;
  /** The type of the entity. */
  readonly type: string | null;
  /** Absolute path of the PNG. */
  readonly target: string;
}

/**
 * @returns a remark if the picture is damaged; else null
 * @throws MediaError
 */
export async function makePreview(
  { file, type, target }: PreviewRequest,
  settings: MediaSettings,
): Promise<string | null> {
  if (type === 'image') return ofImage(file, target, settings);
  if (type !== 'video' && type !== 'audio') throw unsupportedMediaKind('this kind of file has no picture');
  await previewOfRecording(file, target, settings);
  return null;
}

async function ofImage(file: string, target: string, settings: MediaSettings): Promise<string | null> {
  const { maxPixels, ffmpeg, exiftool } = settings;
  const options: ImageThumbnailOptions = { ...PREVIEW, maxPixels, ffmpeg, exiftool };
  return (await imageThumbnail(file, target, options)).damage;
}

/** Makes a preview from a frame of a video or the cover of a song. */
async function previewOfRecording(file: string, target: string, settings: MediaSettings): Promise<void> {
  const { ffmpeg, ffprobe, maxPixels } = settings;
  if (ffmpeg === undefined || ffprobe === undefined)
    throw new MediaError('tool_missing', 'ffmpeg and ffprobe are needed for previews of videos and are not installed');
  const input = await mediaInput(file);
  const info = await probe(input, { ffprobe });
  if (info.video) {
    await videoThumbnail(input, info, target, { ...PREVIEW, ffmpeg, maxPixels });
    return;
  }
  const cover = `${target}.cover`;
  try {
    await extractCover(input, info, cover, { ffmpeg, maxPixels });
    await ofImage(cover, target, settings);
  } finally {
    await fs.rm(cover, { force: true });
  }
}
