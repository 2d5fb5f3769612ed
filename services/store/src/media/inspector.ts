/** What a file's own bytes say of it. Runs in the process that opens files. */
import {
  type ExifReader,
  exifFields,
  imageHeader,
  MediaError,
  type MediaKind,
  type RawTags,
  readMediaMetadata,
  sniffFile,
} from '@cl-server/media';
import exifr from 'exifr';
import { NOTHING_READ, type ReadFacts } from '../database/facts.js';

export interface ReadTags {
  readonly facts: ReadFacts;
  readonly tags: Readonly<Record<string, unknown>>;
}

export interface MediaInspector {
  /** The facts that an upload's answer shows: quick for images, from their header alone. */
  facts(file: string): Promise<ReadFacts>;
  /** Everything, by exiftool too. */
  tags(file: string): Promise<ReadTags>;
}

export interface InspectorOptions {
  readonly exif: ExifReader;
  /** Absent where it is not installed. */
  readonly ffprobe: string | undefined;
}

export const nothingOf = ({ mime, type, extension }: MediaKind): ReadFacts => ({
  ...NOTHING_READ,
  mime_type: mime,
  type,
  extension,
});

/** Minutes east of UTC that an ISO time ends with; null where it has none. */
export function offsetOf(iso: string | null): number | null {
  const match = /([+-])(\d{2}):(\d{2})$/.exec(iso ?? '');
  if (!match) return null;
  return (match[1] === '-' ? -1 : 1) * (Number(match[2]) * 60 + Number(match[3]));
}

/** `Canon EOS 40D`, not `Canon Canon EOS 40D`. */
export function cameraName(make: string | null, model: string | null): string | null {
  if (!make || !model) return model ?? make;
  const brand = make.split(/\s/, 1)[0] ?? '';
  return model.toLowerCase().startsWith(brand.toLowerCase()) ? model : `${make} ${model}`;
}

const asUtc = (iso: string): number => Date.parse(/(Z|[+-]\d{2}:\d{2})$/.test(iso) ? iso : `${iso}Z`);

const finiteOrNull = (value: number): number | null => (Number.isFinite(value) ? value : null);

/** The Exif block of an image's header, by exiftool's names, so that one set of rules reads both. */
async function exifBlock(exif: Buffer | undefined): Promise<RawTags> {
  if (!exif) return {};
  const tiff = exif.subarray(0, 4).toString('latin1') === 'Exif' ? exif.subarray(6) : exif;
  const parsed: unknown = await exifr
    .parse(tiff, { translateValues: false, reviveValues: false, sanitize: true, ifd1: false, gps: true })
    .catch(() => undefined);
  if (typeof parsed !== 'object' || parsed === null) return {};
  const { latitude, longitude, ...tags } = parsed as Record<string, unknown>;
  const plain = Object.entries(tags).filter(([name, value]) => !name.startsWith('GPS') && typeof value !== 'object');
  return {
    ...Object.fromEntries(plain.map(([name, value]) => [`EXIF:${name}`, value])),
    ...(typeof latitude === 'number' &&
      typeof longitude === 'number' && { 'Composite:GPSLatitude': latitude, 'Composite:GPSLongitude': longitude }),
  };
}

async function imageFacts(file: string, kind: MediaKind): Promise<ReadFacts> {
  try {
    const header = await imageHeader(file, { kind, maxPixels: Number.MAX_SAFE_INTEGER });
    const fields = exifFields(await exifBlock(header.metadata.exif));
    return {
      ...nothingOf(kind),
      width: header.width,
      height: header.height,
      create_date: fields.captured_at === null ? null : finiteOrNull(asUtc(fields.captured_at)),
      create_date_offset: offsetOf(fields.captured_at),
      camera: cameraName(fields.make, fields.model),
      latitude: fields.gps_latitude,
      longitude: fields.gps_latitude === null ? null : fields.gps_longitude,
    };
  } catch (error) {
    if (!(error instanceof MediaError)) throw error;
    return { ...nothingOf(kind), metadata_error: error.message };
  }
}

export function createInspector({ exif, ffprobe }: InspectorOptions): MediaInspector {
  const everything = async (file: string): Promise<ReadTags> => {
    const read = await readMediaMetadata(file, { exif, ffprobe, maxPixels: Number.MAX_SAFE_INTEGER });
    const { mime_type, type, extension, width, height, duration, create_date } = read;
    const facts: ReadFacts = {
      ...{ mime_type, type, extension, width, height, duration, create_date },
      create_date_offset: offsetOf(read.captured_at),
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
      // Of videos and sounds the headers alone tell too little; of other files there is nothing to tell.
      return kind.demuxer === undefined ? nothingOf(kind) : (await everything(file)).facts;
    },
    tags: everything,
  };
}
