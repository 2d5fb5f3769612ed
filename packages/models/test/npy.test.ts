import { describe, expect, it } from 'vitest';
import { decodeNpy, encodeNpy } from '../src/npy.js';

describe('.npy files', () => {
  it.each([
    [512, 2176],
    [384, 1664],
  ])('of %d numbers have %d bytes and the header that NumPy reads', (length, size) => {
    const vector = Float32Array.from({ length }, (_, index) => Math.sin(index));
    const bytes = encodeNpy(vector);
    expect(bytes.length).toBe(size);
    expect(bytes.toString('latin1', 0, 128)).toBe(
      `${`\x93NUMPY\x01\x00v\x00{'descr': '<f4', 'fortran_order': False, 'shape': (${length},), }`.padEnd(127)}\n`,
    );
    expect(decodeNpy(bytes)).toEqual(vector);
  });

  it('are refused if they are something else or truncated', () => {
    const bytes = encodeNpy(new Float32Array(8));
    expect(() => decodeNpy(bytes.subarray(0, 140))).toThrow('truncated');
    expect(() => decodeNpy(Buffer.from('hello, this is not an array'))).toThrow('not a .npy');
  });
});
