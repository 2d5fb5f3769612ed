/** The main picture of a HEIF file (ISO/IEC 23008-12; HEIC and AVIF): the place of its bytes and its properties. */

interface Box {
  readonly type: string;
  readonly data: Buffer;
}

/** The boxes of a file in memory; a box that extends beyond the file ends the list. */
export function boxesOf(data: Buffer): Box[] {
  const boxes: Box[] = [];
  for (let at = 0; at + 8 <= data.length && boxes.length < 10_000; ) {
    const short = data.readUInt32BE(at);
    const header = short === 1 ? 16 : 8;
    if (at + header > data.length) break;
    const length = short === 0 ? data.length - at : short === 1 ? Number(data.readBigUInt64BE(at + 8)) : short;
    if (length < header || at + length > data.length) break;
    boxes.push({ type: data.toString('latin1', at + 4, at + 8), data: data.subarray(at + header, at + length) });
    at += length;
  }
  return boxes;
}

const find = (boxes: readonly Box[], type: string): Buffer | undefined => boxes.find((box) => box.type === type)?.data;

/** Reads one number after the other; beyond the end they are 0. */
class Reader {
  #at = 0;
  constructor(private readonly data: Buffer) {}
  next(bytes: 0 | 1 | 2 | 4 | 8): number {
    const end = this.#at + bytes;
    const from = Math.max(this.#at, end - 6); // 2 ** 48 bytes are more than any file has
    const value = bytes > 0 && end <= this.data.length ? this.data.readUIntBE(from, end - from) : 0;
    this.#at = end;
    return value;
  }
  get isAtEnd(): boolean {
    return this.#at >= this.data.length;
  }
}

/** Item number of the main picture. */
function primaryItem(pitm: Buffer): number {
  const reader = new Reader(pitm);
  const version = reader.next(4) >>> 24;
  return reader.next(version === 0 ? 2 : 4);
}

/** Numbers (from 1) of the properties of an item. */
function associations(ipma: Buffer, item: number): readonly number[] {
  const reader = new Reader(ipma);
  const head = reader.next(4);
  const [wideItems, wideIndices] = [head >>> 24 >= 1, (head & 1) === 1];
  const entries = reader.next(4);
  for (let entry = 0; entry < entries && !reader.isAtEnd; entry++) {
    const id = reader.next(wideItems ? 4 : 2);
    const count = reader.next(1);
    const found = Array.from({ length: count }, () => (wideIndices ? reader.next(2) & 0x7fff : reader.next(1) & 0x7f));
    if (id === item) return found;
  }
  return [];
}

/** A range of bytes, relative to the beginning of the file. */
interface Extent {
  readonly offset: number;
  readonly length: number;
}

const size = (bits: number): 0 | 4 | 8 => (bits === 4 ? 4 : bits === 8 ? 8 : 0);

/** The ranges that contain the bytes of an item; none if the bytes are not in the file itself. */
function extentsOf(iloc: Buffer, item: number): readonly Extent[] {
  const reader = new Reader(iloc);
  const version = reader.next(4) >>> 24;
  const sizes = reader.next(2);
  const [offsetSize, lengthSize] = [size(sizes >> 12), size((sizes >> 8) & 15)];
  const [baseSize, indexSize] = [size((sizes >> 4) & 15), version > 0 ? size(sizes & 15) : 0];
  const items = reader.next(version < 2 ? 2 : 4);
  for (let entry = 0; entry < items && !reader.isAtEnd; entry++) {
    const id = reader.next(version < 2 ? 2 : 4);
    const isElsewhere = version > 0 && (reader.next(2) & 15) !== 0;
    const isInOtherFile = reader.next(2) !== 0;
    const base = reader.next(baseSize);
    const extents: Extent[] = [];
    for (let left = reader.next(2); left > 0 && !reader.isAtEnd; left--) {
      reader.next(indexSize);
      extents.push({ offset: base + reader.next(offsetSize), length: reader.next(lengthSize) });
    }
    if (id === item) return isElsewhere || isInOtherFile ? [] : extents;
  }
  return [];
}

export interface MainPicture {
  readonly extents: readonly Extent[];
  /** The properties in the order in which they apply. */
  readonly properties: readonly Box[];
}

/** @param head the file's first bytes, which contain its `meta` box */
export function mainPicture(head: Buffer): MainPicture | undefined {
  const meta = find(boxesOf(head), 'meta');
  if (!meta) return undefined;
  const boxes = boxesOf(meta.subarray(4));
  const [pitm, iprp, iloc] = [find(boxes, 'pitm'), find(boxes, 'iprp'), find(boxes, 'iloc')];
  if (!pitm || !iprp) return undefined;
  const parts = boxesOf(iprp);
  const [ipco, ipma] = [find(parts, 'ipco'), find(parts, 'ipma')];
  if (!ipco || !ipma) return undefined;
  const all = boxesOf(ipco);
  const item = primaryItem(pitm);
  return {
    extents: iloc ? extentsOf(iloc, item) : [],
    properties: associations(ipma, item).flatMap((index) => all[index - 1] ?? []),
  };
}
