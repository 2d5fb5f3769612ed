/** Makes thumbnails and contact sheets of videos. */
import { invalidMedia, MediaError, unsupportedMediaKind } from '../errors.js';
import { rendered } from '../image/open.js';
import { sharp } from '../image/sharp.js';
import { type Size, type SizeRequest, thumbnailSize } from '../image/size.js';
import { type PictureOptions, type WrittenPicture, writePicture } from '../image/thumbnail.js';
import { evenTimes, type FfmpegOptions, type FrameRequest, type VideoFrame, videoFrame } from './frame.js';
import type { MediaInput } from './input.js';
import type { ProbeResult, VideoStream } from './probe.js';

export interface VideoThumbnailOptions extends FfmpegOptions, PictureOptions, SizeRequest {}

/** The video track. @throws MediaError if there is none, or if it exceeds the pixel limit */
export function pictureTrack({ video }: ProbeResult, maxPixels?: number): VideoStream {
  if (!video) throw unsupportedMediaKind('The file has no video track');
  if (maxPixels !== undefined && video.width * video.height > maxPixels)
    throw invalidMedia(`The video has ${video.width} × ${video.height} pixels, which is over the limit`);
  return video;
}

const rawImage = (data: Buffer, { width, height }: Size) => sharp(data, { raw: { width, height, channels: 3 } });

/** Fractions of the length at which a frame is taken, tried in this order until one is not black. */
const MOMENTS = [0.1, 0.3, 0.5, 0.7, 0.9, 0.02] as const;
/** A mean below this, of 255, is night or a fade; a darker frame that contains light reaches the second number. */
const DARK_MEAN = 20;
const LIGHT_LEVEL = 96;

/** Mean brightness, and whether too few pixels are light to see anything. */
function brightness(rgb: Buffer): { readonly mean: number; readonly isBlack: boolean } {
  let sum = 0;
  let light = 0;
  for (let i = 1; i < rgb.length; i += 3) {
    const green = rgb[i] ?? 0;
    sum += green;
    if (green > LIGHT_LEVEL) light++;
  }
  const pixels = rgb.length / 3;
  const mean = sum / pixels;
  return { mean, isBlack: mean < DARK_MEAN && light < pixels / 100 };
}

/**
 * A frame that represents the video: from a tenth of its length on, the one most similar to its neighbours. If it is
 * black, the first later one that is not, otherwise the lightest of them.
 */
async function poster(
  input: MediaInput,
  { duration }: ProbeResult,
  request: Omit<FrameRequest, 'time' | 'among'>,
  options: FfmpegOptions,
): Promise<VideoFrame> {
  let best: (VideoFrame & { readonly mean: number }) | undefined;
  for (const part of duration > 0 ? MOMENTS : [0]) {
    const time = Number(Math.min(duration * part, 6000 * part).toFixed(3));
    const frame = await videoFrame(input, { ...request, time, among: 24 }, options).catch((error: unknown) => {
      // The first time decides whether the video can be read at all.
      if (!best || (error instanceof MediaError && error.code === 'cancelled')) throw error;
      return undefined;
    });
    if (!frame) continue;
    const { mean, isBlack } = brightness(frame.pixels);
    if (!isBlack) return frame;
    if (!best || mean > best.mean) best = { ...frame, mean };
  }
  if (!best) throw invalidMedia('No picture of the video can be decoded');
  return best;
}

/**
 * A picture that represents the video, and is not black if another one is not.
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
  const { pixels, time } = await poster(input, info, { ...size, track }, options);
  return { ...(await rendered(writePicture(rawImage(pixels, size), target, options), input.file)), time };
}

export const SHEET = { columns: 4, rows: 4 } as const;

export interface ContactSheet extends WrittenPicture {
  readonly cell: Size;
  /** Time in seconds at which each frame is displayed, row by row. */
  readonly times: readonly number[];
}

/** Sixteen frames spread evenly over the whole length, in one picture; the requested size is that of one frame. */
export async function contactSheet(
  input: MediaInput,
  info: ProbeResult,
  target: string,
  options: VideoThumbnailOptions,
  onFrame?: (done: number, of: number) => void,
): Promise<ContactSheet> {
  const track = pictureTrack(info, options.maxPixels);
  const cell = thumbnailSize(track, options, Math.round);
  const asked = evenTimes(info.duration, SHEET.columns * SHEET.rows);
  const times: number[] = [];
  const frames: { input: Buffer; raw: Size & { channels: 3 }; left: number; top: number }[] = [];
  for (const [i, wanted] of asked.entries()) {
    const { pixels, time } = await videoFrame(input, { ...cell, track, time: wanted }, options);
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

const timestamp = (seconds: number): string => new Date(Math.round(seconds * 1000)).toISOString().slice(11, 23);

/** WebVTT that maps times to parts of the sheet, for players. @param sheet file name, relative to the index */
export function sheetIndex({ cell, times }: ContactSheet, duration: number, sheet: string): string {
  const length = duration / times.length;
  const cues = times.map((_, i) => {
    const x = (i % SHEET.columns) * cell.width;
    const y = Math.floor(i / SHEET.columns) * cell.height;
    return `${timestamp(i * length)} --> ${timestamp((i + 1) * length)}\n${sheet}#xywh=${x},${y},${cell.width},${cell.height}\n`;
  });
  return `WEBVTT\n\n${cues.join('\n')}`;
}
