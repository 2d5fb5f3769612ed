/** Reads all metadata of a file of any kind. */
import { MediaError } from '../errors.js';
import type { ExifReader, RawTags } from '../exif/reader.js';
import { tagFacts } from '../exif/tag-facts.js';
import { imageHeader, statedSize } from '../image/header.js';
import type { MediaKind, MediaType } from '../sniff/kinds.js';
import { sniffFile } from '../sniff/sniff.js';
import { mediaInput } from '../video/input.js';
import { type ProbeResult, probe } from '../video/probe.js';

/** Metadata of a file. Nothing is invented: unreadable values are null, and `problems` gives the reasons. */
export interface MediaMetadata {
  readonly mime_type: string;
  readonly type: MediaType;
  /** File name extension without the dot. */
  readonly extension: string;
  /** Pixels as displayed: after rotation. */
  readonly width: number | null;
  readonly height: number | null;
  /** Seconds. */
  readonly duration: number | null;
  /** Time of capture in milliseconds since 1970; a time without a zone counts as UTC. */
  readonly create_date: number | null;
  /** Minutes east of UTC at the place of capture; null if the file does not say. */
  readonly create_date_offset: number | null;
  /** The time of capture as ISO 8601, as precise as the file, with its offset if the file has one. */
  readonly captured_at: string | null;
  readonly camera: { readonly make: string | null; readonly model: string | null; readonly lens: string | null } | null;
  /** Degrees, south and west negative; altitude in metres. */
  readonly gps: { readonly latitude: number; readonly longitude: number; readonly altitude: number | null } | null;
  /** All other tags from exiftool by `Group:Tag`, without long and binary values. */
  readonly rest: Readonly<Record<string, unknown>>;
  /** Sentences that say what could not be read, and why. */
  readonly problems: readonly string[];
}

export interface MetadataOptions {
  /** Without it, only the headers are read, which takes a few milliseconds. */
  readonly exif?: ExifReader | undefined;
  readonly ffprobe?: string | undefined;
  readonly maxPixels?: number;
  readonly signal?: AbortSignal;
}

/** Maximum number of characters of one value in `rest`. */
const MAX_VALUE = 2000;

function compact(raw: RawTags): Record<string, unknown> {
  const kept = Object.entries(raw).filter(
    ([name, value]) =>
      !name.startsWith('ExifTool:') &&
      !(typeof value === 'string' && (value.startsWith('(Binary data ') || value.startsWith('base64:'))) &&
      JSON.stringify(value).length <= MAX_VALUE,
  );
  return Object.fromEntries(kept);
}

class Reading {
  readonly problems: string[] = [];
  /** Runs one part of the reading; its failure is a problem of the file and does not stop the other parts. */
  async part<T>(work: () => Promise<T>): Promise<T | undefined> {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof MediaError) || error.code === 'cancelled') throw error;
      this.problems.push(error.message);
      return undefined;
    }
  }
}

async function probeFile(file: string, options: MetadataOptions): Promise<ProbeResult> {
  const { ffprobe, signal } = options;
  if (ffprobe === undefined)
    throw new MediaError('tool_missing', 'Size and duration of videos need ffprobe, which is not installed');
  return probe(await mediaInput(file), { ffprobe, signal });
}

const isTimed = (kind: MediaKind): boolean => kind.demuxer !== undefined && kind.type !== 'image';

/**
 * Reads kind, size, duration, time of capture, camera, place and the other tags of a file of any kind. A damaged file
 * is not an error: its readable metadata is returned.
 * @throws MediaError `cancelled`; an I/O error of the file itself
 */
export async function readMediaMetadata(file: string, options: MetadataOptions = {}): Promise<MediaMetadata> {
  const kind = await sniffFile(file);
  const reading = new Reading();
  const { exif, maxPixels } = options;
  const [header, film, raw] = await Promise.all([
    kind.type === 'image' && kind.demuxer === undefined
      ? reading.part(() => imageHeader(file, { kind, ...(maxPixels !== undefined && { maxPixels }) }))
      : undefined,
    isTimed(kind) ? reading.part(() => probeFile(file, options)) : undefined,
    exif && kind.mime !== 'application/x-empty' ? reading.part(() => exif.read(file)) : undefined,
  ]);
  const tags = raw ?? {};
  const shown = header ?? film?.video ?? (await statedSize(file, kind));
  const { captured, place, altitude, make, model, lens } = tagFacts(tags);
  const error = tags['ExifTool:Error'];
  if (typeof error === 'string' && kind.type !== 'file' && kind.type !== 'text')
    reading.problems.push(`Metadata: ${error}`);
  return {
    mime_type: kind.mime,
    type: kind.type,
    extension: kind.extension,
    width: shown?.width ?? null,
    height: shown?.height ?? null,
    duration: film ? film.duration || null : null,
    create_date: captured?.milliseconds ?? null,
    create_date_offset: captured?.offset ?? null,
    captured_at: captured?.iso ?? null,
    camera: make || model || lens ? { make, model, lens } : null,
    gps: place && { ...place, altitude },
    rest: compact(tags),
    problems: reading.problems,
  };
}
