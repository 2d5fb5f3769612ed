/**
 * The times of a movie (ISO/IEC 14496-12, 8.2.2, 8.3.2, 8.4.2) where ExifTool does not say what stands in the file. They
 * count seconds from 1904; some cameras counted from 1970, so ExifTool takes every time before 1970 for such a one. What
 * the same file says elsewhere decides: a time after 1970 by the standard, or one that would lie in the future
 * otherwise, shows that the writer kept to the standard. Where nothing does, nobody can tell.
 */
import fs from 'node:fs/promises';
import { boxesOf } from '../image/heif.js';
import { movieBox } from '../sniff/quicktime.js';

/** Seconds from 1904 to 1970. */
const EPOCH = 2_082_844_800;
const DAY = 86_400;

interface Times {
  readonly name: '' | 'Track' | 'Media';
  readonly created: number;
  readonly modified: number;
}

/** Of a header box, whose times are 32 bits long in version 0 and 64 in version 1. */
function timesIn(name: Times['name'], data: Buffer): Times[] {
  if (data.length < 20) return [];
  const [created, modified] =
    data[0] === 1
      ? [Number(data.readBigUInt64BE(4)), Number(data.readBigUInt64BE(12))]
      : [data.readUInt32BE(4), data.readUInt32BE(8)];
  return [{ name, created, modified }];
}

function timesOf(moov: Buffer): readonly Times[] {
  return boxesOf(moov).flatMap(({ type, data }) => {
    if (type === 'mvhd') return timesIn('', data);
    if (type !== 'trak') return [];
    return boxesOf(data).flatMap((box) => {
      if (box.type === 'tkhd') return timesIn('Track', box.data);
      if (box.type !== 'mdia') return [];
      return boxesOf(box.data).flatMap((inner) => (inner.type === 'mdhd' ? timesIn('Media', inner.data) : []));
    });
  });
}

/** As ExifTool writes it. */
const tagOf = (seconds: number): string =>
  new Date((seconds - EPOCH) * 1000).toISOString().slice(0, 19).replaceAll('-', ':').replace('T', ' ');

/**
 * @param now seconds since 1970
 * @returns the tags of these times, by the names of ExifTool; undefined where they may count from 1970
 */
export function movieTimes(moov: Buffer, now: number): Readonly<Record<string, string>> | undefined {
  const all = timesOf(moov);
  const seconds = all.flatMap(({ created, modified }) => [created, modified]).filter((time) => time > 0);
  const isStandard = seconds.some(
    (time) => (time >= EPOCH && time <= now + EPOCH + DAY) || (time < EPOCH && time > now + DAY),
  );
  // Beyond the calendar, and what no clock of this century says.
  if (!isStandard || seconds.some((time) => time > now + EPOCH + DAY)) return undefined;
  const tags: Record<string, string> = {};
  for (const { name, created, modified } of all) {
    if (created > 0) tags[`QuickTime:${name}CreateDate`] ??= tagOf(created);
    if (modified > 0) tags[`QuickTime:${name}ModifyDate`] ??= tagOf(modified);
  }
  return tags;
}

/** The tags of a movie's times by what stands in the file. */
export async function readMovieTimes(file: string): Promise<Readonly<Record<string, string>> | undefined> {
  const handle = await fs.open(file, 'r');
  try {
    const moov = await movieBox(handle);
    return moov && movieTimes(moov, Date.now() / 1000);
  } finally {
    await handle.close();
  }
}
