/** The place at which a picture was taken. Every reader of metadata uses this one rule. */
import type { TagIndex } from './tags.js';

export interface Place {
  /** Degrees; south is negative. */
  readonly latitude: number;
  /** Degrees; west is negative. */
  readonly longitude: number;
}

/** Degrees. Receivers without a position write 0, 0, which is in the open sea. */
const ORIGIN_TOLERANCE = 1e-5;

/** Rounds to a millimetre: readers differ in the further digits, which mean nothing. */
const rounded = (degrees: number): number => Math.round(degrees * 1e8) / 1e8;

/**
 * Reads a coordinate. Its sign may be in the value or in its reference: `S`, `s` or `South`. ExifTool's composite has
 * the sign already; without a reference the value is taken unchanged.
 */
function coordinate(tags: TagIndex, name: string, negative: RegExp): number | null {
  // For an undefined coordinate (a fraction with the denominator 0), ExifTool composes 0.
  if (tags.has(`EXIF:${name}`) && tags.number(`EXIF:${name}`) === null) return tags.number(`XMP:${name}`);
  const composed = tags.number(`Composite:${name}`);
  if (composed !== null) return composed;
  const value = tags.number(name);
  return value !== null && negative.test(tags.text(`${name}Ref`) ?? '') ? -Math.abs(value) : value;
}

/** @returns null if the tags name no place on earth */
export function placeOf(tags: TagIndex): Place | null {
  const latitude = coordinate(tags, 'GPSLatitude', /^\s*s/i);
  const longitude = coordinate(tags, 'GPSLongitude', /^\s*w/i);
  if (latitude === null || longitude === null) return null;
  if (Math.abs(latitude) > 90 || Math.abs(longitude) > 180) return null;
  if (Math.abs(latitude) < ORIGIN_TOLERANCE && Math.abs(longitude) < ORIGIN_TOLERANCE) return null;
  return { latitude: rounded(latitude), longitude: rounded(longitude) };
}
