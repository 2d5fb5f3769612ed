/**
 * Reads and writes NumPy's `.npy` format, version 1.0, for vectors of little-endian float32
 * (https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html).
 */

const MAGIC = Buffer.from('\x93NUMPY\x01\x00', 'latin1');
const ALIGNMENT = 64;

/** Encodes a one-dimensional array; the length of the header is a multiple of 64 bytes, 128 for every usual vector. */
export function encodeNpy(vector: Float32Array): Buffer {
  const dict = `{'descr': '<f4', 'fortran_order': False, 'shape': (${vector.length},), }`;
  const before = MAGIC.length + 2;
  const total = Math.max(128, Math.ceil((before + dict.length + 1) / ALIGNMENT) * ALIGNMENT);
  const header = Buffer.alloc(total, ' ');
  MAGIC.copy(header);
  header.writeUInt16LE(total - before, MAGIC.length);
  header.write(dict, before, 'latin1');
  header.write('\n', total - 1, 'latin1');
  const body = Buffer.alloc(vector.length * 4);
  for (const [index, value] of vector.entries()) body.writeFloatLE(value, index * 4);
  return Buffer.concat([header, body]);
}

/** @throws Error if the bytes are not a one-dimensional `<f4` array */
export function decodeNpy(bytes: Uint8Array): Float32Array {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (!buffer.subarray(0, 6).equals(MAGIC.subarray(0, 6))) throw new Error('not a .npy file');
  const wide = (buffer[6] ?? 0) >= 2;
  const start = wide ? 12 : 10;
  const end = start + (wide ? buffer.readUInt32LE(8) : buffer.readUInt16LE(8));
  const header = buffer.toString('latin1', start, end);
  const shape = /'shape':\s*\((\d+),?\)/.exec(header);
  if (!header.includes("'<f4'") || header.includes("'fortran_order': True") || !shape)
    throw new Error('not a one-dimensional array of <f4');
  const length = Number(shape[1]);
  if (buffer.length < end + length * 4) throw new Error('the .npy file is truncated');
  return Float32Array.from({ length }, (_, index) => buffer.readFloatLE(end + index * 4));
}
