/**
 * Completes a truncated JPEG that has restart markers. libvips gives up if a hundred of them are missing, which is the
 * case for every incompletely copied photo of some cameras. This module therefore writes the missing intervals: grey
 * blocks in the file's own Huffman codes (ITU-T T.81, annexes B, C and F). It handles baseline pictures with one scan
 * only; others are shown without it.
 */

interface Component {
  readonly id: number;
  /** Number of blocks in an MCU. */
  readonly blocks: number;
}

interface Codes {
  /** Bits of symbol 0: no difference (DC), or end of block (AC). */
  readonly zero: string;
}

interface Layout {
  readonly components: readonly Component[];
  /** Total number of MCUs. */
  readonly units: number;
}

const isBaseline = (marker: number): boolean => marker === 0xc0 || marker === 0xc1;

function layoutOf(frame: Buffer): Layout | undefined {
  const [height, width, count] = [frame.readUInt16BE(1), frame.readUInt16BE(3), frame[5] ?? 0];
  if (frame.length < 6 + count * 3 || width === 0 || height === 0) return undefined;
  const sampling = Array.from({ length: count }, (_, i) => {
    const factors = frame[7 + i * 3] ?? 0;
    return { id: frame[6 + i * 3] ?? 0, across: factors >> 4, down: factors & 15 };
  });
  const across = Math.max(...sampling.map((component) => component.across));
  const down = Math.max(...sampling.map((component) => component.down));
  if (sampling.some((component) => component.across === 0 || component.down === 0)) return undefined;
  // A single component is not interleaved: its MCU is one block, whatever its sampling factors are.
  const [wide, high] = count === 1 ? [8, 8] : [across * 8, down * 8];
  return {
    components: sampling.map(({ id, across: a, down: d }) => ({ id, blocks: count === 1 ? 1 : a * d })),
    units: Math.ceil(width / wide) * Math.ceil(height / high),
  };
}

/** Huffman tables by class and number: `0x00` to `0x0f` DC, `0x10` to `0x1f` AC. */
function readTables(segment: Buffer, into: Map<number, Codes>): void {
  for (let at = 0; at + 17 <= segment.length; ) {
    const counts = segment.subarray(at + 1, at + 17);
    let symbol = at + 17;
    let code = 0;
    for (const [i, count] of counts.entries()) {
      for (let n = 0; n < count; n++, code++, symbol++)
        if (segment[symbol] === 0) into.set(segment[at] ?? 0, { zero: code.toString(2).padStart(i + 1, '0') });
      code <<= 1;
    }
    at = symbol;
  }
}

/** Encodes bits as bytes of a scan: padded with ones, with a zero after each 0xff. */
function scanBytes(bits: string): Buffer {
  const bytes: number[] = [];
  for (let at = 0; at < bits.length; at += 8) {
    const byte = Number.parseInt(bits.slice(at, at + 8).padEnd(8, '1'), 2);
    bytes.push(byte);
    if (byte === 0xff) bytes.push(0);
  }
  return Buffer.from(bytes);
}

/** Counts the restart markers from an offset to the end; undefined if another marker ends the scan. */
function restartsAfter(file: Buffer, from: number): number | undefined {
  let found = 0;
  for (let at = file.indexOf(0xff, from); at >= 0 && at + 1 < file.length; at = file.indexOf(0xff, at + 1)) {
    const marker = file[at + 1] ?? 0;
    if (marker >= 0xd0 && marker <= 0xd7) found++;
    else if (marker !== 0 && marker !== 0xff) return undefined;
  }
  return found;
}

/** Maximum size of the added intervals: far more than any picture within the pixel limits needs. */
const MAX_ADDED = 64 * 1024 * 1024;

/** @returns the file with its missing intervals; undefined if it is of another kind or complete */
export function completeJpeg(file: Buffer): Buffer | undefined {
  const tables = new Map<number, Codes>();
  let layout: Layout | undefined;
  let interval = 0;
  for (let at = 2; at + 4 <= file.length; ) {
    const marker = file[at + 1] ?? 0;
    const end = at + 2 + file.readUInt16BE(at + 2);
    if (file[at] !== 0xff || end > file.length) return undefined;
    const segment = file.subarray(at + 4, end);
    if (isBaseline(marker)) layout = segment.length >= 6 ? layoutOf(segment) : undefined;
    else if (marker === 0xc4) readTables(segment, tables);
    else if (marker === 0xdd && segment.length >= 2) interval = segment.readUInt16BE(0);
    else if (marker === 0xda)
      return layout && interval > 0 ? completed(file, end, segment, layout, interval, tables) : undefined;
    at = end;
  }
  return undefined;
}

function completed(
  file: Buffer,
  scan: number,
  header: Buffer,
  { components, units }: Layout,
  interval: number,
  tables: ReadonlyMap<number, Codes>,
): Buffer | undefined {
  if (header[0] !== components.length) return undefined;
  let unit = '';
  for (let i = 0; i < components.length; i++) {
    const component = components.find(({ id }) => id === header[1 + i * 2]);
    const chosen = header[2 + i * 2] ?? 0;
    const [dc, ac] = [tables.get(chosen >> 4), tables.get(0x10 | (chosen & 15))];
    if (!component || !dc || !ac) return undefined;
    unit += (dc.zero + ac.zero).repeat(component.blocks);
  }
  const seen = restartsAfter(file, scan);
  const intervals = Math.ceil(units / interval);
  if (seen === undefined || seen >= intervals - 1) return undefined;
  const grey = scanBytes(unit.repeat(interval));
  if (grey.length * (intervals - seen) > MAX_ADDED) return undefined;
  const cut = file.at(-1) === 0xff ? file.subarray(0, -1) : file;
  const parts: Buffer[] = [cut];
  for (let next = seen; next < intervals - 1; next++) parts.push(Buffer.from([0xff, 0xd0 | (next & 7)]), grey);
  return Buffer.concat([...parts, Buffer.from([0xff, 0xd9])]);
}
