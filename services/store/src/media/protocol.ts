/** The messages between the store and the process that opens files of clients. */
import { z } from 'zod';

/** The first message. Programs are absent if they are not installed. */
export interface MediaSettings {
  readonly ffmpeg?: string | undefined;
  readonly ffprobe?: string | undefined;
  readonly exiftool?: string | undefined;
  readonly maxPixels: number;
}

/** The work to do. Files are absolute paths. */
export type MediaWork =
  | { readonly kind: 'sniff' | 'facts' | 'tags'; readonly file: string }
  | { readonly kind: 'preview'; readonly file: string; readonly type: string | null; readonly target: string };

export type ToMediaProcess =
  | { readonly type: 'start'; readonly settings: MediaSettings }
  | { readonly type: 'work'; readonly work: MediaWork };

/** Characters that are kept of a text in the metadata of a file. */
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

/** Describes the damage of a picture whose preview was made; null if there is none. */
export const previewRemark = text.nullable();

/** The maximum number of characters of all tags as JSON. */
export const MAX_TAGS = 256 * 1024;
export const readTags = z.object({ facts: readFacts, tags: z.string().max(MAX_TAGS) });

/** Messages are checked, because the process that opens files of clients may be under the control of such a file. */
export const fromMediaProcess = z.discriminatedUnion('ok', [
  z.object({ ok: z.literal(true), value: z.unknown() }),
  /** An expected failure with the file, described for clients. */
  z.object({
    ok: z.literal(false),
    code: z.enum(['invalid_input', 'unsupported_media', 'tool_missing', 'timeout', 'cancelled', 'task_failed']),
    message: z.string(),
  }),
  /** A fault of the program or of the machine, described for the log. */
  z.object({ ok: z.null(), message: z.string(), errno: z.string().optional() }),
]);
export type FromMediaProcess = z.infer<typeof fromMediaProcess>;
