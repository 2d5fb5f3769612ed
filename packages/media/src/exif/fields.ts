import type { exifTask, TaskOutput } from '@cl-server/contract';
import { captureTime } from './capture-time.js';
import type { RawTags } from './reader.js';
import { TagIndex } from './tags.js';

/** The typed part of the exif task's output. */
export type ExifFields = Omit<TaskOutput<typeof exifTask>, 'raw_metadata'>;

/** Tags from which the fields are made; asked for besides the client's own. */
export const FIELD_TAGS = [
  'EXIF:all',
  'Composite:all',
  'QuickTime:all',
  'XMP:all',
  'IPTC:all',
  'File:all',
  'RIFF:all',
  'Matroska:all',
  'PNG:all',
] as const;

const WHITE_BALANCE: Readonly<Record<number, string>> = { 0: 'Auto', 1: 'Manual' };

/** `1/200` as photographers write it; whole and longer times as decimals. */
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

const within = (value: number | null, limit: number): number | null =>
  value !== null && Math.abs(value) <= limit ? value : null;

/** 0000:00:00, or nothing but spaces, is how cameras write a date while their clock was never set. */
const isSet = (date: string): boolean => /[1-9]/.test(date.slice(0, 10));

/** Some containers number their codecs, and some numbers look like a character: neither is a name. */
const isCodec = (name: string): boolean => !/^[\d.]+$|\p{Cc}/u.test(name);

/** Of all tracks of a Matroska file exiftool tells one CodecID, the last; its first letter says what the track is. */
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

/** Fills every field that the tags allow; keys may be grouped or not. */
export function exifFields(raw: RawTags): ExifFields {
  const tags = new TagIndex(raw);
  const exposure = tags.number('ExposureTime');
  const flash = tags.integer('Flash');
  const balance = tags.number('WhiteBalance');
  const mime = tags.text('MIMEType');
  const isVideo = mime?.startsWith('video/') ?? false;
  return {
    make: tags.text('Make', 'AndroidManufacturer'),
    model: tags.text('Model', 'AndroidModel', 'CameraModelName'),
    software: tags.text('Software'),
    date_time_original: tags.textThat(isSet, 'DateTimeOriginal'),
    create_date: tags.textThat(isSet, 'CreateDate'),
    image_width: tags.integer('ImageWidth', 'ExifImageWidth', 'SourceImageWidth'),
    image_height: tags.integer('ImageHeight', 'ExifImageHeight', 'SourceImageHeight'),
    orientation: tags.integer('Orientation'),
    iso: tags.integer('ISO', 'RecommendedExposureIndex'),
    f_number: tags.number('FNumber'),
    exposure_time: exposureText(exposure),
    exposure_time_seconds: exposure,
    focal_length: tags.number('FocalLength'),
    gps_latitude: within(tags.number('GPSLatitude'), 90),
    gps_longitude: within(tags.number('GPSLongitude'), 180),
    gps_altitude: tags.number('GPSAltitude'),
    captured_at: captureTime(tags, isVideo)?.iso ?? null,
    lens: tags.text('LensModel', 'Lens'),
    flash: flashText(flash),
    flash_fired: flash === null ? null : (flash & 1) === 1,
    white_balance: balance === null ? tags.text('WhiteBalance') : (WHITE_BALANCE[balance] ?? String(balance)),
    duration: tags.number('Duration', 'TrackDuration', 'MediaDuration'),
    video_codec: isVideo ? videoCodec(tags) : null,
    audio_codec: audioCodec(tags),
    mime_type: mime,
  };
}
