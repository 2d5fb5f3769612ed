/**
 * The times of a movie (ISO/IEC 14496-12, 8.2.2, 8.3.2, 8.4.2), for files whose times ExifTool reports wrongly. They
 * count seconds from 1904; some cameras counted from 1970, so ExifTool assumes this for every time before 1970. Other
 * times of the same file decide: a time after 1970 by the standard, or one that would otherwise lie in the future,
 * shows that the writer followed the standard. Without such a time, the question stays open.
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

/** Times in a header box, which have 32 bits in version 0 and 64 in version 1. */
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

/** The text that ExifTool writes for this time. */
const tagOf = (seconds: number): string =>
  new Date((seconds - EPOCH) * 1000).toISOString().slice(0, 19).replaceAll('-', ':').replace('T', ' ');

/**
 * @param now seconds since 1970
 * @returns the tags of these times, by the names of ExifTool; undefined if they may count from 1970
 */
export function movieTimes(moov: Buffer, now: number): Readonly<Record<string, string>> | undefined {
  const all = timesOf(moov);
  const seconds = all.flatMap(({ created, modified }) => [created, modified]).filter((time) => time > 0);
  const isStandard = seconds.some(
    (time) => (time >= EPOCH && time <= now + EPOCH + DAY) || (time < EPOCH && time > now + DAY),
  );
  // Times beyond the calendar, and times that no clock of this century shows.
  if (!isStandard || seconds.some((time) => time > now + EPOCH + DAY)) return undefined;
  const tags: Record<string, string> = {};
  for (const { name, created, modified } of all) {
    if (created > 0) tags[`QuickTime:${name}CreateDate`] ??= tagOf(created);
    if (modified > 0) tags[`QuickTime:${name}ModifyDate`] ??= tagOf(modified);
  }
  return tags;
}

/** Reads the tags of a movie's times from the boxes of the file. */
export async function readMovieTimes(file: string): Promise<Readonly<Record<string, string>> | undefined> {
  const handle = await fs.open(file, 'r');
  try {
    const moov = await movieBox(handle);
    return moov && movieTimes(moov, Date.now() / 1000);
  } finally {
    await handle.close();
  }
}
