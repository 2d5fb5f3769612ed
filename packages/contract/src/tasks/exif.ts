import { z } from 'zod';
import { field, reject } from '../http/field.js';
import { taskContract } from './task.js';

/**
 * Grammar of an exiftool tag name as a client may ask for it: letters, digits, `_`, `:` between groups, `*` and `?` as
 * wildcards, `-` inside, `#` at the end (a number instead of a word, as all are here). No other sign exists here, so that
 * no client text can become an assignment or a file. Some options of exiftool are written like this, too: whoever asks it
 * puts a word of its own in front.
 */
export const EXIF_TAG = /^[A-Za-z0-9_*?][A-Za-z0-9_*?:-]{0,99}#?$/;
const MAX_TAGS = 200;

/** `Make,Model` or `["Make","Model"]`; nothing means every tag. */
const tags = field.text({ max: 20_000 }).transform((text, ctx): string[] => {
  const list = splitTags(text)
    .map((tag) => tag.trim())
    .filter(Boolean);
  if (list.length > MAX_TAGS)
    return reject(ctx, text, `At most ${MAX_TAGS} tags can be asked for at once`, { type: 'too_many_tags' });
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

/** What stands in the file's metadata; a key whose tag is absent is null. */
const output = z.object({
  make: text,
  model: text,
  software: text,
  date_time_original: text.describe('As the file has it: YYYY:MM:DD HH:MM:SS'),
  create_date: text.describe('As the file has it: YYYY:MM:DD HH:MM:SS'),
  image_width: integer,
  image_height: integer,
  orientation: integer.describe('EXIF orientation, 1 to 8'),
  iso: integer,
  f_number: number,
  exposure_time: text.describe('As photographers write it: 1/200'),
  focal_length: number.describe('Millimetres'),
  gps_latitude: number.describe('Degrees, south is negative'),
  gps_longitude: number.describe('Degrees, west is negative'),
  gps_altitude: number.describe('Metres, below the sea is negative'),
  exposure_time_seconds: number,
  captured_at: text.describe(
    'ISO 8601, as precise as the file: from a year to sub-seconds, with an offset where the file has one',
  ),
  lens: text,
  flash: text,
  flash_fired: z.boolean().nullable(),
  white_balance: text,
  duration: number.describe('Seconds'),
  video_codec: text.describe('As ffprobe calls it (h264); without ffprobe as the file does'),
  audio_codec: text.describe('As ffprobe calls it (aac); without ffprobe as the file does'),
  mime_type: text,
  raw_metadata: z.record(z.string(), z.unknown()).describe('exiftool’s own map, without paths'),
});

export const exifTask = taskContract({
  type: 'exif',
  summary: 'Reads the metadata of a photo, a video or any other file',
  file: 'required',
  form: z.object({ tags: tags.default([]) }),
  output,
});
