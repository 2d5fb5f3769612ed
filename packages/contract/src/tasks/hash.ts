/** Contract of the task `hash`. */
import { z } from 'zod';
import { field } from '../http/field.js';
import { pictureError, taskContract } from './task.js';

const hex = (digits: number) => z.string().regex(new RegExp(`^[0-9a-f]{${digits}}$`));
const hash64 = hex(16).nullable();
/** The kinds of files that tasks distinguish. */
export const mediaType = z.enum(['image', 'video', 'audio', 'text', 'url', 'file']);

const output = z.object({
  media_type: mediaType.nullable(),
  hash_value: z.string().describe('The digest requested with `algorithm`'),
  algorithm: z
    .enum(['md5', 'sha256', 'sha512_generic'])
    .describe('The algorithm of hash_value, which covers the bytes of the file'),
  process_time: z.number().describe('Seconds'),
  size: z.int().describe('Bytes'),
  md5: hex(32),
  sha256: hex(64),
  sha512: hex(128),
  ahash: hash64.describe('64-bit average hash'),
  dhash: hash64.describe('64-bit difference hash'),
  phash: hash64.describe('64-bit DCT hash; compare two by their Hamming distance'),
  pdq: hex(64).nullable().describe('256-bit PDQ hash'),
  pdq_quality: z
    .int()
    .min(0)
    .max(100)
    .nullable()
    .describe('Below 50 the picture has too little contrast for a meaningful PDQ hash'),
  flat_share: z
    .number()
    .min(0)
    .max(1)
    .nullable()
    .default(null)
    .describe('Share of the picture in one tone: high for documents and plain surfaces'),
  layout: hex(384)
    .nullable()
    .default(null)
    .describe('Mean colours of 8 × 8 cells, row by row: luma, blue and red difference, two hex digits each'),
  frames: z
    .array(
      z.object({ time: z.number().describe('Seconds'), ahash: hex(16), dhash: hex(16), phash: hex(16), pdq: hex(64) }),
    )
    .describe('Hashes of frames spread evenly over a video'),
  perceptual_error: z.string().nullable().describe('Why the perceptual hashes are null'),
  picture_error: pictureError,
});

export const hashTask = taskContract({
  type: 'hash',
  summary: 'Computes digests of the bytes, and perceptual hashes of an image or of a video’s frames',
  file: 'required',
  form: z.object({
    algorithm: field.choice(['sha512', 'md5', 'sha256']).default('sha512').describe('The algorithm of `hash_value`'),
  }),
  output,
});
