import { Semaphore } from '@cl-server/kit';
import { MediaError } from '../errors.js';
import { mediaInput } from '../video/input.js';
import { type ProbeResult, probe } from '../video/probe.js';
import type { ExifFields } from './fields.js';

export interface RecordingOptions {
  /** Without it the fields stay as they are. */
  readonly ffprobe: string | undefined;
  /** Files that are probed side by side; the rest of a batch waits. */
  readonly atOnce: number;
}

/** Gives the fields of a recording what ffprobe knows better; those of all other files as they are. */
export type RecordingFields = (file: string, fields: ExifFields, signal?: AbortSignal) => Promise<ExifFields>;

/** Milliseconds for one file, which needs a tenth of a second. */
const PROBE = 10_000;
/** So long a file waits for its turn, milliseconds: a row of files that ffprobe hangs at must not time their jobs out. */
const PATIENCE = 60_000;

const known = (codec: string | undefined): string | undefined => (codec === 'unknown' ? undefined : codec);

/** exiftool reads headers, and guesses or keeps silent where a length or a codec stands elsewhere. */
const merged = (fields: ExifFields, { duration, video, audio }: ProbeResult): ExifFields => ({
  ...fields,
  duration: duration || fields.duration,
  video_codec: known(video?.codec) ?? fields.video_codec,
  audio_codec: known(audio[0]?.codec) ?? fields.audio_codec,
  image_width: fields.image_width ?? video?.width ?? null,
  image_height: fields.image_height ?? video?.height ?? null,
});

export function recordingFields({ ffprobe, atOnce }: RecordingOptions): RecordingFields {
  const gate = new Semaphore({ width: atOnce });
  return async (file, fields, signal) => {
    // What exiftool knows as an image is not opened a second time.
    if (ffprobe === undefined || fields.mime_type?.startsWith('image/')) return fields;
    try {
      const input = await mediaInput(file);
      const asked = performance.now();
      return await gate.run(async () =>
        performance.now() - asked > PATIENCE
          ? fields
          : merged(fields, await probe(input, { ffprobe, signal, timeout: PROBE })),
      );
    } catch (error) {
      // No recording, a damaged one, or an ffprobe that does not run: exiftool's word stands.
      if (!(error instanceof MediaError) || error.code === 'cancelled') throw error;
      return fields;
    }
  };
}
