import { invalidMedia, unsupportedMediaKind } from '../errors.js';
import { rendered } from '../image/open.js';
import { sharp } from '../image/sharp.js';
import { type Size, type SizeRequest, thumbnailSize } from '../image/size.js';
import { type PictureOptions, type WrittenPicture, writePicture } from '../image/thumbnail.js';
import { evenTimes, type FfmpegOptions, videoFrame } from './frame.js';
import type { MediaInput } from './input.js';
import type { ProbeResult, VideoStream } from './probe.js';

export interface VideoThumbnailOptions extends FfmpegOptions, PictureOptions, SizeRequest {}

/** The picture track. @throws MediaError where there is none, or one over the pixel limit */
export function pictureTrack({ video }: ProbeResult, maxPixels?: number): VideoStream {
  if (!video) throw unsupportedMediaKind('The file has no video track');
  if (maxPixels !== undefined && video.width * video.height > maxPixels)
    throw invalidMedia(`The video has ${video.width} × ${video.height} pixels, which is over the limit`);
  return video;
}

const rawImage = (data: Buffer, { width, height }: Size) => sharp(data, { raw: { width, height, channels: 3 } });

/**
 * A frame that stands for the video: from a tenth of its length on, the one most like its neighbours.
 * @returns also its time, in seconds
 */
export async function videoThumbnail(
  input: MediaInput,
  info: ProbeResult,
  target: string,
  options: VideoThumbnailOptions,
): Promise<WrittenPicture & { readonly time: number }> {
  const track = pictureTrack(info, options.maxPixels);
  const size = thumbnailSize(track, options, Math.round);
  const from = Number(Math.min(info.duration * 0.1, 600).toFixed(3));
  const { pixels, time } = await videoFrame(input, { ...size, time: from, among: 24 }, options);
  return { ...(await rendered(writePicture(rawImage(pixels, size), target, options), input.file)), time };
}

export const SHEET = { columns: 4, rows: 4 } as const;

export interface ContactSheet extends WrittenPicture {
  readonly cell: Size;
  /** When each frame is on screen: seconds, row by row. */
  readonly times: readonly number[];
}

/** Sixteen frames spread evenly over the whole length, in one picture; the size asked for is that of one frame. */
export async function contactSheet(
  input: MediaInput,
  info: ProbeResult,
  target: string,
  options: VideoThumbnailOptions,
  onFrame?: (done: number, of: number) => void,
): Promise<ContactSheet> {
  const cell = thumbnailSize(pictureTrack(info, options.maxPixels), options, Math.round);
  const asked = evenTimes(info.duration, SHEET.columns * SHEET.rows);
  const times: number[] = [];
  const frames: { input: Buffer; raw: Size & { channels: 3 }; left: number; top: number }[] = [];
  for (const [i, wanted] of asked.entries()) {
    const { pixels, time } = await videoFrame(input, { ...cell, time: wanted }, options);
    times.push(time);
    const left = (i % SHEET.columns) * cell.width;
    const top = Math.floor(i / SHEET.columns) * cell.height;
    frames.push({ input: pixels, raw: { ...cell, channels: 3 }, left, top });
    onFrame?.(i + 1, asked.length);
  }
  const width = cell.width * SHEET.columns;
  const height = cell.height * SHEET.rows;
  const sheet = sharp({ create: { width, height, channels: 3, background: options.background } }).composite(frames);
  return { ...(await rendered(writePicture(sheet, target, options), input.file)), cell, times };
}

const stamp = (seconds: number): string => new Date(Math.round(seconds * 1000)).toISOString().slice(11, 23);

/** WebVTT that tells a player which part of the sheet belongs to which time. @param sheet file name beside the index */
export function sheetIndex({ cell, times }: ContactSheet, duration: number, sheet: string): string {
  const length = duration / times.length;
  const cues = times.map((_, i) => {
    const x = (i % SHEET.columns) * cell.width;
    const y = Math.floor(i / SHEET.columns) * cell.height;
    return `${stamp(i * length)} --> ${stamp((i + 1) * length)}\n${sheet}#xywh=${x},${y},${cell.width},${cell.height}\n`;
  });
  return `WEBVTT\n\n${cues.join('\n')}`;
}
