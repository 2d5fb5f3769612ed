/** What the store and the process that opens files for it say to each other. */
import { z } from 'zod';

/** First message. Programs are absent where they are not installed. */
export interface MediaSettings {
  readonly ffmpeg?: string | undefined;
  readonly ffprobe?: string | undefined;
  readonly exiftool?: string | undefined;
  readonly maxPixels: number;
}

/** Files by absolute path. */
export type MediaWork =
  | { readonly kind: 'sniff' | 'facts' | 'tags'; readonly file: string }
  | { readonly kind: 'preview'; readonly file: string; readonly type: string | null; readonly target: string };

export type ToMediaProcess =
  | { readonly type: 'start'; readonly settings: MediaSettings }
  | { readonly type: 'work'; readonly work: MediaWork };

/** Characters of a text that a file brings along. */
const MAX_TEXT = 1_000;
const text = z.string().max(MAX_TEXT);

export const readFacts = z.object({
  mime_type: text.nullable(),
  type: text.nullable(),
  extension: text.nullable(),
  width: z.number().nullable(),
  height: z.number().nullable(),
  duration: z.number().nullable(),
  create_date: z.number().nullable(),
  create_date_offset: z.number().nullable(),
  camera: text.nullable(),
  latitude: z.number().nullable(),
  longitude: z.number().nullable(),
  metadata_error: text.nullable(),
});

/** What is wrong with a picture of which a preview was made. */
export const previewRemark = text.nullable();

/** Facts, and all tags as JSON of at most so many characters. */
export const MAX_TAGS = 256 * 1024;
export const readTags = z.object({ facts: readFacts, tags: z.string().max(MAX_TAGS) });

/** A process that opens foreign files is believed no more than they are. */
export const fromMediaProcess = z.discriminatedUnion('ok', [
  z.object({ ok: z.literal(true), value: z.unknown() }),
  /** A foreseen failure with the file, in words for clients. */
  z.object({
    ok: z.literal(false),
    code: z.enum(['invalid_input', 'unsupported_media', 'tool_missing', 'timeout', 'cancelled', 'task_failed']),
    message: z.string(),
  }),
  /** A fault of the program or of the machine, for the log. */
  z.object({ ok: z.null(), message: z.string(), errno: z.string().optional() }),
]);
export type FromMediaProcess = z.infer<typeof fromMediaProcess>;
