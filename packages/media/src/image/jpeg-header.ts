/** Facts from a JPEG's header that are needed before it is decoded. */
export interface JpegShape {
  /** Pixels as stored: before orientation. */
  readonly width: number;
  readonly height: number;
  /** EXIF orientation, 1 to 8. */
  readonly orientation: number;
  /** Whether the decoder keeps the coefficients of the whole picture in memory. */
  readonly isProgressive: boolean;
}

const START_OF_IMAGE = 0xffd8;
const EXIF_SEGMENT = 0xe1;
const EXIF_MARK = 'Exif\0\0';
const ORIENTATION = 0x0112;
const TIFF_MAGIC = 42;
const SHORT = 3;

/** Frame headers are C0 to CF, except for the tables among them: Huffman, extensions, arithmetic conditioning. */
const isFrame = (marker: number): boolean =>
  marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc;

/** Reads the orientation in a TIFF structure; 1 if it has none, undefined if it violates the standard. */
function orientationOf(tiff: Buffer): number | undefined {
  if (tiff.length < 8) return undefined;
  const order = tiff.toString('latin1', 0, 2);
  if (order !== 'II' && order !== 'MM') return undefined;
  const little = order === 'II';
  const short = (at: number): number => (little ? tiff.readUInt16LE(at) : tiff.readUInt16BE(at));
  if (short(2) !== TIFF_MAGIC) return undefined;
  const long = (at: number): number => (little ? tiff.readUInt32LE(at) : tiff.readUInt32BE(at));
  const directory = long(4);
  if (directory + 2 > tiff.length) return undefined;
  const entries = short(directory);
  if (directory + 2 + entries * 12 > tiff.length) return undefined;
  for (let at = directory + 2; at < directory + 2 + entries * 12; at += 12) {
    if (short(at) !== ORIENTATION) continue;
    const value = short(at + 8);
    return short(at + 2) === SHORT && long(at + 4) === 1 && value >= 1 && value <= 8 ? value : undefined;
  }
  return 1;
}

/**
 * Reads size and orientation from the segments in a JPEG's first bytes (ITU-T T.81, annex B; Exif 2.32, 4.5 and 4.6),
 * which costs a hundredth of opening it in a decoder.
 * @returns undefined if they are incomplete or unusual in any way: then a decoder must be asked
 */
export function jpegShape(head: Buffer): JpegShape | undefined {
  if (head.length < 4 || head.readUInt16BE(0) !== START_OF_IMAGE) return undefined;
  let orientation: number | undefined;
  for (let at = 2; at + 9 <= head.length; ) {
    const marker = head[at + 1] ?? 0;
    const length = head.readUInt16BE(at + 2);
    const end = at + 2 + length;
    if (head[at] !== 0xff || marker < 0xc0 || marker > 0xfe || length < 2 || end > head.length) return undefined;
    if (isFrame(marker)) {
      const [height, width] = [head.readUInt16BE(at + 5), head.readUInt16BE(at + 7)];
      return width > 0 && height > 0
        ? { width, height, orientation: orientation ?? 1, isProgressive: marker === 0xc2 }
        : undefined;
    }
    if (marker === EXIF_SEGMENT && head.toString('latin1', at + 4, at + 10) === EXIF_MARK) {
      const found = orientationOf(head.subarray(at + 10, end));
      if (found === undefined || orientation !== undefined) return undefined;
      orientation = found;
    }
    at = end;
  }
  return undefined;
}
