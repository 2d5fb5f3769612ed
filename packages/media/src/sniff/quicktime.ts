/** Identifies ISO base media files by their boxes if the first one does not say what they are. */
import type { FileHandle } from 'node:fs/promises';

/** Atoms with which QuickTime files begin if they have no `ftyp`, or beside it. */
const ATOMS = new Set(['moov', 'mdat', 'free', 'skip', 'wide', 'pnot', 'PICT', 'junk', 'uuid', 'udta']);
const MAX_ATOMS = 16;

/**
 * Whether the bytes are a chain of QuickTime atoms, one of which contains the movie or its data. @param size of the
 * file
 */
export function isQuickTime(head: Buffer, size: number): boolean {
  let isMovie = false;
  let at = 0;
  for (let atoms = 0; atoms < MAX_ATOMS && at + 8 <= head.length; atoms++) {
    const type = head.toString('latin1', at + 4, at + 8);
    const short = head.readUInt32BE(at);
    const wide = short === 1 && at + 16 <= head.length;
    const length = wide ? Number(head.readBigUInt64BE(at + 8)) : short === 0 ? size - at : short;
    if (!ATOMS.has(type) || length < 8) return false;
    isMovie ||= type === 'moov' || type === 'mdat';
    at += length;
  }
  // Texts and random bytes do not end at the end of the file.
  return isMovie && at <= size + 8;
}

/** The handlers of the tracks of a `moov` box: `vide`, `soun`, … */
export function trackHandlers(moov: Buffer): readonly string[] {
  const found: string[] = [];
  for (
    let at = moov.indexOf('hdlr', 0, 'latin1');
    at >= 0 && found.length < 100;
    at = moov.indexOf('hdlr', at + 4, 'latin1')
  ) {
    // Four bytes of version and flags, and the component type, precede it.
    const inMedia = moov.toString('latin1', at + 8, at + 12);
    if (inMedia === 'mhlr' || inMedia === '\0\0\0\0') found.push(moov.toString('latin1', at + 12, at + 16));
  }
  return found;
}

/** The description of a movie is small, but may be at the end of the file. */
const MAX_MOOV = 16 * 1024 * 1024;

/** Content of a file's `moov` box, or its beginning if it is very large; undefined if there is none. */
export async function movieBox(handle: FileHandle): Promise<Buffer | undefined> {
  const { size } = await handle.stat();
  const head = Buffer.alloc(16);
  for (let at = 0, boxes = 0; at + 8 <= size && boxes < 1000; boxes++) {
    await handle.read(head, 0, 16, at);
    const short = head.readUInt32BE(0);
    const header = short === 1 ? 16 : 8;
    const length = short === 1 ? Number(head.readBigUInt64BE(8)) : short === 0 ? size - at : short;
    if (length < header) return undefined;
    if (head.toString('latin1', 4, 8) === 'moov') {
      const moov = Buffer.alloc(Math.max(0, Math.min(length - header, size - at - header, MAX_MOOV)));
      await handle.read(moov, 0, moov.length, at + header);
      return moov;
    }
    at += length;
  }
  return undefined;
}
