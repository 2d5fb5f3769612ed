/** Contract of the task `exif`, and the grammar of the tags that a client may request. */
import { z } from 'zod';
import { field, reject } from '../http/field.js';
import { taskContract } from './task.js';

/**
 * Grammar of the exiftool tag names that a client may request: letters, digits, `_`, `:` between groups, `*` and `?` as
 * wildcards, `-` inside, `#` at the end (a number instead of a word, which is the case for all tags here). No other
 * character is allowed, so no client text can become an assignment or a file. Some options of exiftool have the same
 * form; the code that calls exiftool therefore puts a word of its own in front.
 */
export const EXIF_TAG = /^[A-Za-z0-9_*?][A-Za-z0-9_*?:-]{0,99}#?$/;
const MAX_TAGS = 200;

/** `Make,Model` or `["Make","Model"]`; an empty text means all tags. */
const tags = field.text({ max: 20_000 }).transform((text, ctx): string[] => {
  const list = splitTags(text)
    .map((tag) => tag.trim())
    .filter(Boolean);
  if (list.length > MAX_TAGS)
    return reject(ctx, text, `At most ${MAX_TAGS} tags can be requested at once`, { type: 'too_many_tags' });
  const wrong = list.find((tag) => !EXIF_TAG.test(tag));
  if (wrong !== undefined)
    return reject(
      ctx,
      text,
      `'${wrong.slice(0, 60)}' is not a tag name: use letters, digits, _ : - * ? and a # at the end`,
      {
        type: 'tag_name',
      },
    );
  return list;
});

function splitTags(text: string): string[] {
  if (text.trimStart().startsWith('[')) {
    const parsed = z.array(z.string()).safeParse(tryJson(text));
    if (parsed.success) return parsed.data;
  }
  return text.split(',');
}

function tryJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

const text = z.string().nullable();
const number = z.number().nullable();
const integer = z.int().nullable();

/** The metadata of the file; a key is null if its tag is absent. */
const output = z.object({
  make: text,
  model: text,
  software: text,
  date_time_original: text.describe('As in the file: YYYY:MM:DD HH:MM:SS'),
  create_date: text.describe('As in the file: YYYY:MM:DD HH:MM:SS'),
  image_width: integer,
  image_height: integer,
  orientation: integer.describe('EXIF orientation, 1 to 8'),
  iso: integer,
  f_number: number,
  exposure_time: text.describe('As a fraction, for example 1/200'),
  focal_length: number.describe('Millimetres'),
  gps_latitude: number.describe('Degrees, south is negative'),
  gps_longitude: number.describe('Degrees, west is negative'),
  gps_altitude: number.describe('Metres; negative below sea level'),
  exposure_time_seconds: number,
  captured_at: text.describe(
    'ISO 8601, as precise as the file: from a year to fractions of a second, with an offset if the file has one',
  ),
  lens: text,
  flash: text,
  flash_fired: z.boolean().nullable(),
  white_balance: text,
  duration: number.describe('Seconds'),
  video_codec: text.describe('Name used by ffprobe (h264); without ffprobe the name in the file'),
  audio_codec: text.describe('Name used by ffprobe (aac); without ffprobe the name in the file'),
  mime_type: text,
  raw_metadata: z.record(z.string(), z.unknown()).describe('The output of exiftool, without paths'),
});

export const exifTask = taskContract({
  type: 'exif',
  summary: 'Reads the metadata of a photo, a video or any other file',
  file: 'required',
  form: z.object({
    tags: tags.default([]).describe('Names of tags, comma-separated or as a JSON list; all if it is empty'),
  }),
  output,
});
