/** Contract of the task `media_thumbnail`. */
import { z } from 'zod';
import { field } from '../http/field.js';
import { colour, side } from './image-conversion.js';
import { pictureError, taskContract } from './task.js';

export const THUMBNAIL_FORMATS = ['jpg', 'webp', 'avif', 'png'] as const;
export type ThumbnailFormat = (typeof THUMBNAIL_FORMATS)[number];

const sheet = z.object({
  output_path: z.string().describe('Path of the picture with all frames'),
  index_path: z.string().describe('Path of the WebVTT file that maps times to places on the sheet'),
  columns: z.int(),
  rows: z.int(),
  cell_width: z.int(),
  cell_height: z.int(),
  times: z.array(z.number()).describe('Times of the frames in seconds, row by row'),
});

const output = z.object({
  media_type: z.enum(['image', 'video', 'audio']),
  output_path: z.string(),
  mime_type: z.string(),
  width: z.int(),
  height: z.int(),
  size: z.int().describe('Bytes'),
  time: z.number().nullable().describe('Time of the frame of a video in seconds'),
  sheet: sheet.nullable(),
  picture_error: pictureError,
});

export const mediaThumbnailTask = taskContract({
  type: 'media_thumbnail',
  summary: 'Makes a small upright picture of an image, a video or the cover of a song',
  file: 'required',
  form: z.object({
    width: side().nullable().default(null).describe('Width in pixels; without width and height 256'),
    height: side().nullable().default(null).describe('Height in pixels'),
    maintain_aspect_ratio: field.bool().default(true).describe('Fit into width × height; false: stretch to it'),
    format: field.choice(THUMBNAIL_FORMATS).default('jpg').describe('Format of the result'),
    quality: field.int({ ge: 1, le: 100 }).default(80).describe('Quality of lossy formats'),
    background: colour().default('#ffffff').describe('Background behind transparency'),
    sheet: field.bool().default(false).describe('Also make a 4×4 sheet of frames over the whole length of a video'),
  }),
  output,
});
