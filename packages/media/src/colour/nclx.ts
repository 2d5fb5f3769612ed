/** The colour code points of the main picture of a HEIF file (ISO/IEC 23008-12): HEIC and AVIF. */
import { type Hdr, hdrOfCodes } from './hdr.js';

interface Box {
  readonly type: string;
  readonly data: Buffer;
}

/** Boxes of a file in memory; a box that leads out of it ends the list. */
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

/** Reads numbers one after the other; beyond the end they are 0. */
class Reader {
  #at = 0;
  constructor(private readonly data: Buffer) {}
  next(bytes: 1 | 2 | 4): number {
    const end = this.#at + bytes;
    const value = end <= this.data.length ? this.data.readUIntBE(this.#at, bytes) : 0;
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

/** Which properties (from 1) belong to an item. */
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

/** @param head the file's first bytes, its `meta` box among them */
export function hdrOfHeif(head: Buffer): Hdr | undefined {
  const meta = find(boxesOf(head), 'meta');
  if (!meta) return undefined;
  const boxes = boxesOf(meta.subarray(4));
  const [pitm, iprp] = [find(boxes, 'pitm'), find(boxes, 'iprp')];
  if (!pitm || !iprp) return undefined;
  const parts = boxesOf(iprp);
  const [ipco, ipma] = [find(parts, 'ipco'), find(parts, 'ipma')];
  if (!ipco || !ipma) return undefined;
  const properties = boxesOf(ipco);
  for (const index of associations(ipma, primaryItem(pitm))) {
    const property = properties[index - 1];
    if (property?.type !== 'colr' || property.data.toString('latin1', 0, 4) !== 'nclx') continue;
    return property.data.length >= 8
      ? hdrOfCodes(property.data.readUInt16BE(4), property.data.readUInt16BE(6))
      : undefined;
  }
  return undefined;
}
