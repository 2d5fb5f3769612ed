/** Identifies cameras' raw files that begin like any TIFF, by their maker and by directories with sensor data. */

const MAKERS: readonly (readonly [RegExp, string])[] = [
  [/^NIKON/i, 'image/x-nikon-nef'],
  [/^SONY/i, 'image/x-sony-arw'],
  [/^(PENTAX|RICOH)/i, 'image/x-pentax-pef'],
  [/^SAMSUNG/i, 'image/x-samsung-srw'],
  [/^CANON/i, 'image/x-canon-cr2'],
];

const MAKE = 0x10f;
const SUBFILE = 0xfe;
const PHOTOMETRIC = 0x106;
const SUB_IFDS = 0x14a;
/** Colour filter array, and sensor data that has already been interpolated (linear raw). */
const SENSOR: readonly number[] = [32_803, 34_892];

interface Directory {
  readonly make: string;
  readonly isReduced: boolean;
  readonly isSensor: boolean;
  readonly below: readonly number[];
}

/** @returns undefined if the directory is not within the given bytes */
function directoryAt(head: Buffer, at: number): Directory | undefined {
  const little = head.toString('latin1', 0, 2) === 'II';
  const short = (from: number): number => (little ? head.readUInt16LE(from) : head.readUInt16BE(from));
  const long = (from: number): number => (little ? head.readUInt32LE(from) : head.readUInt32BE(from));
  if (at < 8 || at + 2 > head.length) return undefined;
  const count = short(at);
  if (count > 500 || at + 2 + count * 12 > head.length) return undefined;
  let make = '';
  let isReduced = false;
  let isSensor = false;
  let below: number[] = [];
  for (let entry = at + 2; entry < at + 2 + count * 12; entry += 12) {
    const [tag, number] = [short(entry), long(entry + 4)];
    const value = short(entry + 2) === 3 ? short(entry + 8) : long(entry + 8);
    if (tag === MAKE) make = head.toString('latin1', value, Math.min(head.length, value + Math.min(number, 40)));
    else if (tag === SUBFILE) isReduced = value === 1;
    else if (tag === PHOTOMETRIC) isSensor = SENSOR.includes(value);
    else if (tag === SUB_IFDS && number === 1) below = [value];
    else if (tag === SUB_IFDS && value + 4 * Math.min(number, 8) <= head.length)
      below = Array.from({ length: Math.min(number, 8) }, (_, i) => long(value + i * 4));
  }
  return { make, isReduced, isSensor, below };
}

/**
 * MIME type of the raw file that a TIFF is; undefined if it is an ordinary picture.
 * @param head the file's first bytes
 */
export function rawOfTiff(head: Buffer): string | undefined {
  if (head.length < 16) return undefined;
  const first = head.toString('latin1', 0, 2) === 'II' ? head.readUInt32LE(4) : head.readUInt32BE(4);
  const main = directoryAt(head, first);
  if (!main) return undefined;
  const mime = MAKERS.find(([name]) => name.test(main.make))?.[1];
  if (!mime) return undefined;
  const hasSensor = main.isSensor || main.below.some((at) => directoryAt(head, at)?.isSensor);
  return hasSensor || (main.isReduced && main.below.length > 0) ? mime : undefined;
}

/** Offset of the first directory of a TIFF; undefined if the bytes do not begin a TIFF. */
export function directoryOfTiff(head: Buffer): number | undefined {
  if (head.length < 8) return undefined;
  const mark = head.toString('latin1', 0, 4);
  const offset = mark === 'II*\0' ? head.readUInt32LE(4) : mark === 'MM\0*' ? head.readUInt32BE(4) : 0;
  return offset >= 8 ? offset : undefined;
}
