/** The one value of a result that a person looks for, in a few words. */
import { bytesText } from '../io/progress.js';

type Output = Readonly<Record<string, unknown>>;

const counted = (value: unknown, word: string): string => `${String(value)} ${word}${value === 1 ? '' : 's'}`;

const vector = ({ embedding_dim }: Output): string => `vector of ${String(embedding_dim)} numbers`;

/** Describes a picture: `webp, 640 × 480, 31.2 kB`. */
function picture({ format, mime_type, width, height, size }: Output): string {
  const kind = format ?? (typeof mime_type === 'string' ? mime_type.split('/').at(-1) : undefined);
  return [kind, `${String(width)} × ${String(height)}`, typeof size === 'number' ? bytesText(size) : undefined]
    .filter((part) => part !== undefined)
    .join(', ');
}

function camera({ make, model, captured_at, raw_metadata }: Output): string {
  // Many cameras repeat the maker in the name of the model.
  const maker =
    typeof make === 'string' && !String(model ?? '').startsWith(make.split(' ')[0] ?? '') ? make : undefined;
  const known = [[maker, model].filter(Boolean).join(' '), captured_at].filter(Boolean);
  return known.length > 0 ? known.join(', ') : counted(Object.keys((raw_metadata ?? {}) as object).length, 'tag');
}

const faces = (output: Output): string =>
  output.num_faces === undefined || output.num_faces === null
    ? `${vector(output)} of the whole image`
    : counted(output.num_faces, 'face');

const BUILT_IN: Readonly<Record<string, (output: Output) => string>> = {
  hash: ({ hash_value }) => String(hash_value),
  exif: camera,
  face_detection: faces,
  face_embedding: faces,
  clip_embedding: vector,
  clip_text_embedding: vector,
  dino_embedding: vector,
  image_conversion: picture,
  media_thumbnail: picture,
  hls_streaming: ({ variants_generated, include_original }) =>
    counted(Number(variants_generated) + (include_original ? 1 : 0), 'rendition'),
};

/** The fields of plugins' results that are shown first. */
const TELLING = ['caption', 'text', 'label', 'title', 'result', 'value', 'answer', 'summary', 'score', 'count'];

const isPlain = (value: unknown): value is string | number | boolean =>
  (typeof value === 'string' && value !== '') || typeof value === 'number' || typeof value === 'boolean';

/** Returns the value of a result that matters; empty if there is none. */
export function headline(task: string, output: Output | null): string {
  if (output === null) return '';
  const builtIn = BUILT_IN[task];
  if (builtIn) return builtIn(output);
  for (const key of TELLING) if (isPlain(output[key])) return String(output[key]);
  const plain = Object.entries(output).filter(([, value]) => isPlain(value));
  if (plain.length === 1) return String(plain[0]?.[1]);
  return plain.map(([key, value]) => `${key} ${String(value)}`).join(', ');
}
