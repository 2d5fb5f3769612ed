/** Contract of the task `image_conversion`. */
import { z } from 'zod';
import { field, reject } from '../http/field.js';
import { pictureError, taskContract } from './task.js';

export const IMAGE_FORMATS = ['png', 'jpg', 'jpeg', 'webp', 'gif', 'bmp', 'tiff', 'avif'] as const;
export type ImageFormat = (typeof IMAGE_FORMATS)[number];

/** Maximum side length that a client may request, in pixels. */
export const MAX_SIDE = 16_384;
export const side = () => field.int({ gt: 0, le: MAX_SIDE });

/** A colour, `#rgb` or `#rrggbb`; the `#` is optional. */
export const colour = () =>
  field.text({ max: 20 }).transform((text, ctx): string => {
    if (/^#?([0-9a-fA-F]{3}|[0-9a-fA-F]{6})$/.test(text)) return `#${text.replace('#', '').toLowerCase()}`;
    return reject(ctx, text, 'Input should be a colour such as #ffffff', { type: 'colour_parsing' });
  });

const output = z.object({
  output_path: z.string(),
  format: z.enum(IMAGE_FORMATS),
  mime_type: z.string(),
  width: z.int(),
  height: z.int(),
  size: z.int().describe('Bytes'),
  frames: z.int().describe('Number of frames; more than 1 for an animation'),
  metadata_error: z.string().nullable().describe('Why the result lacks EXIF although it should be kept'),
  picture_error: pictureError,
});

export const imageConversionTask = taskContract({
  type: 'image_conversion',
  summary: 'Converts an image to another format and rotates it upright',
  file: 'required',
  form: z.object({
    format: field.choice(IMAGE_FORMATS).describe('Format of the result').meta({ example: 'webp' }),
    quality: field.int({ ge: 1, le: 100 }).default(85).describe('Quality of lossy formats'),
    lossless: field.bool().default(false).describe('For webp and avif; the other formats are always lossless or never'),
    width: side().nullable().default(null).describe('The result fits into width × height; never enlarged'),
    height: side().nullable().default(null).describe('See `width`'),
    background: colour().default('#ffffff').describe('Background for formats without transparency'),
    keep_metadata: field.bool().default(true).describe('Copy EXIF, XMP and the colour profile to the result'),
  }),
  output,
});
