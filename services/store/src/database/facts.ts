/** The facts about a content, column by column. */
import type { ContentFacts } from './tables.js';

/** The facts that are read from the bytes. */
export type ReadFacts = Omit<ContentFacts, 'md5' | 'file_size'>;

export const NOTHING_READ = {
  mime_type: null,
  type: null,
  extension: null,
  width: null,
  height: null,
  duration: null,
  create_date: null,
  create_date_offset: null,
  camera: null,
  latitude: null,
  longitude: null,
  metadata_error: null,
} as const satisfies Record<keyof ReadFacts, null>;

export const NO_FACTS = {
  md5: null,
  file_size: null,
  ...NOTHING_READ,
} as const satisfies Record<keyof ContentFacts, null>;

/** Picks the facts from a row that has more columns. */
export function factsOf(file: ContentFacts): ContentFacts {
  return Object.fromEntries(
    Object.keys(NO_FACTS).map((key) => [key, file[key as keyof ContentFacts]]),
  ) as unknown as ContentFacts;
}
