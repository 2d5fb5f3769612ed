/** Reads facts and tags from the bytes of a file. Runs in the process that opens files of clients. */
import {
  type ExifReader,
  imageHeader,
  MediaError,
  type MediaKind,
  type RawTags,
  readMediaMetadata,
  sniffFile,
  tagFacts,
} from '@cl-server/media';
import exifr from 'exifr';
import { NOTHING_READ, type ReadFacts } from '../database/facts.js';

export interface ReadTags {
  readonly facts: ReadFacts;
  readonly tags: Readonly<Record<string, unknown>>;
}

export interface MediaInspector {
  /** The facts that the answer to an upload shows. Images are quick, because only their header is read. */
  facts(file: string): Promise<ReadFacts>;
  /** All facts and tags, read with exiftool, too. */
  tags(file: string): Promise<ReadTags>;
}

export interface InspectorOptions {
  readonly exif: ExifReader;
  /** Absent if it is not installed. */
  readonly ffprobe: string | undefined;
}

export const nothingOf = ({ mime, type, extension }: MediaKind): ReadFacts => ({
  ...NOTHING_READ,
  mime_type: mime,
  type,
  extension,
});

/** Joins make and model without a repetition: `Canon EOS 40D`, not `Canon Canon EOS 40D`. */
export function cameraName(make: string | null, model: string | null): string | null {
  if (!make || !model) return model ?? make;
  const brand = make.split(/\s/, 1)[0] ?? '';
  return model.toLowerCase().startsWith(brand.toLowerCase()) ? model : `${make} ${model}`;
}

/**
 * Converts degrees of EXIF: up to three numbers, of which all but the first may be missing. If a part is not a number, the
 * result is undefined, as in ExifTool.
 */
function degrees(value: unknown): number | undefined {
  const [whole = Number.NaN, minutes = 0, seconds = 0] = [value].flat().map(Number);
  const sum = whole + minutes / 60 + seconds / 3600;
  return Number.isFinite(sum) ? sum : undefined;
}

/** Joins three numbers to a time: `8:9:10`. */
const clock = (value: unknown): string | undefined =>
  Array.isArray(value) ? value.map((part) => String(Math.floor(Number(part))).padStart(2, '0')).join(':') : undefined;

/** Reads the Exif block of an image's header with the tag names of exiftool, so that one set of rules serves both. */
async function exifBlock(exif: Buffer | undefined): Promise<RawTags> {
  if (!exif) return {};
  const tiff = exif.subarray(0, 4).toString('latin1') === 'Exif' ? exif.subarray(6) : exif;
  const parsed: unknown = await exifr
    .parse(tiff, { translateValues: false, reviveValues: false, sanitize: true, ifd1: false, gps: true })
    .catch(() => undefined);
  if (typeof parsed !== 'object' || parsed === null) return {};
  const { GPSLatitude, GPSLongitude, GPSTimeStamp, ...others } = parsed as Record<string, unknown>;
  const tags = {
    ...Object.fromEntries(Object.entries(others).filter(([, value]) => typeof value !== 'object')),
    GPSLatitude: degrees(GPSLatitude),
    GPSLongitude: degrees(GPSLongitude),
    GPSTimeStamp: clock(GPSTimeStamp),
  };
  return Object.fromEntries(Object.entries(tags).map(([name, value]) => [`EXIF:${name}`, value]));
}

const factsOf = ({ captured, place, make, model }: ReturnType<typeof tagFacts>) => ({
  create_date: captured?.milliseconds ?? null,
  create_date_offset: captured?.offset ?? null,
  camera: cameraName(make, model),
  latitude: place?.latitude ?? null,
  longitude: place?.longitude ?? null,
});

async function imageFacts(file: string, kind: MediaKind): Promise<ReadFacts> {
  try {
    const header = await imageHeader(file, { kind, maxPixels: Number.MAX_SAFE_INTEGER });
    const facts = factsOf(tagFacts(await exifBlock(header.metadata.exif)));
    const { width, height, damage } = header;
    return { ...nothingOf(kind), width, height, ...facts, metadata_error: damage };
  } catch (error) {
    if (!(error instanceof MediaError)) throw error;
    return { ...nothingOf(kind), metadata_error: error.message };
  }
}

export function createInspector({ exif, ffprobe }: InspectorOptions): MediaInspector {
  const everything = async (file: string): Promise<ReadTags> => {
    const read = await readMediaMetadata(file, { exif, ffprobe, maxPixels: Number.MAX_SAFE_INTEGER });
    const { mime_type, type, extension, width, height, duration, create_date, create_date_offset } = read;
    const facts: ReadFacts = {
      ...{ mime_type, type, extension, width, height, duration, create_date, create_date_offset },
      camera: cameraName(read.camera?.make ?? null, read.camera?.model ?? null),
      latitude: read.gps?.latitude ?? null,
      longitude: read.gps?.longitude ?? null,
      metadata_error: read.problems.length > 0 ? read.problems.join(' ') : null,
    };
    return { facts, tags: read.rest };
  };
  return {
    facts: async (file) => {
      const kind = await sniffFile(file);
      if (kind.type === 'image' && kind.demuxer === undefined) return imageFacts(file, kind);
      // The headers of videos and sounds are not sufficient; other files have no facts to read.
      return kind.demuxer === undefined ? nothingOf(kind) : (await everything(file)).facts;
    },
    tags: everything,
  };
}
