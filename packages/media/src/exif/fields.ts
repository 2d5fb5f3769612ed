/** Makes the typed fields of the task `exif` from tags. */
import type { exifTask, TaskOutput } from '@cl-server/contract';
import type { RawTags } from './reader.js';
import { tagFacts } from './tag-facts.js';
import { TagIndex } from './tags.js';
import { parseTime } from './time-text.js';

/** The typed part of the task's output. */
export type ExifFields = Omit<TaskOutput<typeof exifTask>, 'raw_metadata'>;

const WHITE_BALANCE: Readonly<Record<number, string>> = { 0: 'Auto', 1: 'Manual' };

/** A fraction such as `1/200`; whole and longer times as decimals. */
function exposureText(seconds: number | null): string | null {
  if (seconds === null || seconds <= 0) return null;
  if (seconds < 0.25001) return `1/${Math.round(1 / seconds)}`;
  return String(Number(seconds.toFixed(1)));
}

function flashText(bits: number | null): string | null {
  if (bits === null) return null;
  if (bits & 0x20) return 'No flash function';
  const modes = ['', 'on', 'off', 'auto'] as const;
  const mode = modes[(bits >> 3) & 3] ?? '';
  const redEye = bits & 0x40 ? ', red-eye reduction' : '';
  return `${bits & 1 ? 'Fired' : 'Did not fire'}${mode ? `, ${mode}` : ''}${redEye}`;
}

const isTime = (text: string): boolean => parseTime(text) !== undefined;

/** Size of the picture itself: the size in EXIF stays unchanged when a program makes the picture smaller. */
function sizeOf(tags: TagIndex): readonly [width: number | null, height: number | null] {
  const [width, height] = (tags.text('Composite:ImageSize') ?? '').split(/[ x]/).map(Number);
  if (width && height) return [width, height];
  return [
    tags.integer('File:ImageWidth', 'ImageWidth', 'ExifImageWidth', 'SourceImageWidth'),
    tags.integer('File:ImageHeight', 'ImageHeight', 'ExifImageHeight', 'SourceImageHeight'),
  ];
}

/** Some containers number their codecs, and some of these numbers look like a character: neither is a name. */
const isCodec = (name: string): boolean => !/^[\d.]+$|\p{Cc}/u.test(name);

/**
 * exiftool reports only one CodecID for all tracks of a Matroska file, the last one; its first letter is the type of
 * the track.
 */
const isTrackCodec =
  (type: 'V' | 'A') =>
  (id: string): boolean =>
    id.startsWith(`${type}_`) && isCodec(id);

const videoCodec = (tags: TagIndex): string | null =>
  tags.textThat(isCodec, 'CompressorID', 'VideoCodecID', 'VideoCodec', 'VideoCodecName') ??
  tags.textThat(isTrackCodec('V'), 'CodecID');

const audioCodec = (tags: TagIndex): string | null =>
  tags.textThat(isCodec, 'AudioFormat', 'AudioCodecID', 'AudioCodec', 'AudioCodecName') ??
  tags.textThat(isTrackCodec('A'), 'CodecID');

/** Fills every field for which there is a tag; keys may have groups or not. */
export function exifFields(raw: RawTags): ExifFields {
  const tags = new TagIndex(raw);
  const exposure = tags.number('ExposureTime');
  const flash = tags.integer('Flash');
  const balance = tags.number('WhiteBalance');
  const mime = tags.text('MIMEType');
  const { captured, place, altitude, make, model, lens } = tagFacts(raw);
  const [image_width, image_height] = sizeOf(tags);
  const isVideo = mime?.startsWith('video/') ?? false;
  return {
    make,
    model,
    software: tags.text('Software'),
    date_time_original: tags.textThat(isTime, 'DateTimeOriginal'),
    create_date: tags.textThat(isTime, 'CreateDate'),
    image_width,
    image_height,
    orientation: tags.integer('Orientation'),
    iso: tags.integer('ISO', 'RecommendedExposureIndex'),
    f_number: tags.number('FNumber'),
    exposure_time: exposureText(exposure),
    exposure_time_seconds: exposure,
    focal_length: tags.number('FocalLength'),
    gps_latitude: place?.latitude ?? null,
    gps_longitude: place?.longitude ?? null,
    gps_altitude: altitude,
    captured_at: captured?.iso ?? null,
    lens,
    flash: flashText(flash),
    flash_fired: flash === null ? null : (flash & 1) === 1,
    white_balance: balance === null ? tags.text('WhiteBalance') : (WHITE_BALANCE[balance] ?? String(balance)),
    duration: tags.number('Duration', 'TrackDuration', 'MediaDuration'),
    video_codec: isVideo ? videoCodec(tags) : null,
    audio_codec: audioCodec(tags),
    mime_type: mime,
  };
}
