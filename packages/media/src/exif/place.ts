/** Where a picture was taken: the one rule of the tags that tell it, for every reader of metadata. */
import type { TagIndex } from './tags.js';

export interface Place {
  /** Degrees, south negative. */
  readonly latitude: number;
  /** Degrees, west negative. */
  readonly longitude: number;
}

/** Degrees; receivers that found nothing write 0, 0, which is in the open sea. */
const NOWHERE = 1e-5;

/** To a millimetre: readers differ in the digits behind, which mean nothing. */
const rounded = (degrees: number): number => Math.round(degrees * 1e8) / 1e8;

/**
 * The sign of a coordinate may stand in the value or in its reference: `S`, `s` or `South`. ExifTool's composite has it
 * already; without a reference the value counts as it is.
 */
function coordinate(tags: TagIndex, name: string, negative: RegExp): number | null {
  // Of a coordinate that is undefined (a fraction with the denominator 0), ExifTool composes 0.
  if (tags.has(`EXIF:${name}`) && tags.number(`EXIF:${name}`) === null) return tags.number(`XMP:${name}`);
  const composed = tags.number(`Composite:${name}`);
  if (composed !== null) return composed;
  const value = tags.number(name);
  return value !== null && negative.test(tags.text(`${name}Ref`) ?? '') ? -Math.abs(value) : value;
}

/** @returns null where the tags name no place on earth */
export function placeOf(tags: TagIndex): Place | null {
  const latitude = coordinate(tags, 'GPSLatitude', /^\s*s/i);
  const longitude = coordinate(tags, 'GPSLongitude', /^\s*w/i);
  if (latitude === null || longitude === null) return null;
  if (Math.abs(latitude) > 90 || Math.abs(longitude) > 180) return null;
  if (Math.abs(latitude) < NOWHERE && Math.abs(longitude) < NOWHERE) return null;
  return { latitude: rounded(latitude), longitude: rounded(longitude) };
}
