/** Corrects the fields of audio and video files with what ffprobe knows. */
import { Semaphore } from '@cl-server/kit';
import { MediaError } from '../errors.js';
import { mediaInput } from '../video/input.js';
import { type ProbeResult, probe } from '../video/probe.js';
import type { ExifFields } from './fields.js';

export interface RecordingOptions {
  /** Path of ffprobe; without it the fields stay unchanged. */
  readonly ffprobe: string | undefined;
  /** Maximum number of files that are probed at the same time; the rest of a batch waits. */
  readonly maxConcurrent: number;
}

/** Replaces fields of a recording by more accurate ones from ffprobe; the fields of other files stay unchanged. */
export type RecordingFields = (file: string, fields: ExifFields, signal?: AbortSignal) => Promise<ExifFields>;

/** Maximum time for one file, which usually needs a tenth of a second. */
const PROBE_TIMEOUT_MS = 10_000;
/**
 * Maximum time that a file waits for its turn: files at which ffprobe hangs must not let the jobs of the following ones
 * time out.
 */
const QUEUE_TIMEOUT_MS = 60_000;

const known = (codec: string | undefined): string | undefined => (codec === 'unknown' ? undefined : codec);

/** exiftool reads only headers; it guesses or omits a length or a codec that is stored elsewhere. */
const merged = (fields: ExifFields, { duration, video, audio }: ProbeResult): ExifFields => ({
  ...fields,
  duration: duration || fields.duration,
  video_codec: known(video?.codec) ?? fields.video_codec,
  audio_codec: known(audio[0]?.codec) ?? fields.audio_codec,
  image_width: fields.image_width ?? video?.width ?? null,
  image_height: fields.image_height ?? video?.height ?? null,
});

export function recordingFields({ ffprobe, maxConcurrent }: RecordingOptions): RecordingFields {
  const gate = new Semaphore({ width: maxConcurrent });
  return async (file, fields, signal) => {
    // Files that exiftool identifies as images are not opened again.
    if (ffprobe === undefined || fields.mime_type?.startsWith('image/')) return fields;
    try {
      const input = await mediaInput(file);
      const asked = performance.now();
      return await gate.run(async () =>
        performance.now() - asked > QUEUE_TIMEOUT_MS
          ? fields
          : merged(fields, await probe(input, { ffprobe, signal, timeout: PROBE_TIMEOUT_MS })),
      );
    } catch (error) {
      // If the file is not a recording or is damaged, or ffprobe does not run, the values from exiftool stay.
      if (!(error instanceof MediaError) || error.code === 'cancelled') throw error;
      return fields;
    }
  };
}
