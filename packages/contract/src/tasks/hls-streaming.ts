/** Contract of the task `hls_streaming`. */
import { z } from 'zod';
import { field } from '../http/field.js';
import { taskContract } from './task.js';

/**
 * Names in an HLS folder. The master playlist appears only when the stream is complete; `live` lists it while it is
 * being made.
 */
export const HLS_FILES = { master: 'adaptive.m3u8', live: 'adaptive-live.m3u8', prefix: 'adaptive-' } as const;

const whole = (min: number, max: number) =>
  z.preprocess(
    (value) => (typeof value === 'string' && /^\s*\d+\s*$/.test(value) ? Number(value) : value),
    z.int().min(min).max(max),
  );

/**
 * One rendition: `resolution` is the height in pixels, `bitrate` the video bit rate in kbit/s; null leaves it to the
 * server.
 */
export const hlsVariant = z
  .object({
    resolution: whole(16, 4320)
      .nullish()
      .transform((v) => v ?? null),
    bitrate: whole(100, 200_000)
      .nullish()
      .transform((v) => v ?? null),
  })
  .refine((v) => v.resolution !== null || v.bitrate !== null, 'A variant needs a resolution or a bitrate');
export type HlsVariant = z.output<typeof hlsVariant>;

export const DEFAULT_HLS_VARIANTS: readonly HlsVariant[] = [
  { resolution: 720, bitrate: 3500 },
  { resolution: 480, bitrate: 1500 },
];

const output = z.object({
  master_playlist: z.string().describe('Path relative to the job, or to output_absolute_path'),
  variants_generated: z.int(),
  total_segments: z.int().describe('Number of segments of all variants, without the original'),
  include_original: z.boolean(),
  original_playlist: z.string().nullable(),
  duration: z.number().describe('Seconds'),
  variants: z.array(
    z.object({
      playlist: z.string(),
      resolution: z.int().nullable(),
      bitrate: z.int().nullable(),
      width: z.int(),
      height: z.int(),
      bandwidth: z.int().describe('Peak bit rate in bits per second'),
      segments: z.int(),
    }),
  ),
  encoder: z.string(),
});

/** Only the store's own jobs set this field. */
const serverPath = () =>
  field
    .text({ max: 4096 })
    .nullable()
    .default(null)
    .describe("Only for the server's own jobs: a client that sets it without a file gets 403");

export const hlsStreamingTask = taskContract({
  type: 'hls_streaming',
  summary: 'Makes an adaptive HLS stream from a video',
  file: 'optional',
  form: z.object({
    input_absolute_path: serverPath(),
    output_absolute_path: serverPath(),
    variants: field
      .json(z.array(hlsVariant).min(1).max(8))
      .default([...DEFAULT_HLS_VARIANTS])
      .describe('The qualities of the stream, as a JSON list'),
    include_original: field.bool().default(false).describe('Also offer the original video as a quality'),
  }),
  output,
});
