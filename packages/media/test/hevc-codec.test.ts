import { describe, expect, it } from 'vitest';
import { hevcCodec } from '../src/hls/hevc-codec.js';

const init = (record: string): Buffer =>
  Buffer.concat([Buffer.from('----ftypiso6----hvcC', 'latin1'), Buffer.from(record.replaceAll(' ', ''), 'hex')]);

describe('the RFC 6381 name of an HEVC stream', () => {
  it.each([
    // Version, space + tier + profile, 32 compatibility flags, 6 bytes of constraints, level.
    ['Main 10 of a phone', '01 02 20000000 b00000000000 5d f000', 'hvc1.2.4.L93.B0'],
    ['Main in two compatibility classes', '01 01 60000000 900000000000 78 f000', 'hvc1.1.6.L120.90'],
    ['the high tier', '01 22 20000000 b00000000000 99 f000', 'hvc1.2.4.H153.B0'],
    ['a profile space, and constraints after a zero', '01 44 08000000 9d0008000000 5d f000', 'hvc1.A4.10.L93.9D.0.8'],
    ['no constraints', '01 02 20000000 000000000000 5d f000', 'hvc1.2.4.L93'],
  ])('describes its configuration: %s', (_, record, name) => {
    expect(hevcCodec(init(record))).toBe(name);
  });

  it('is not made up if the configuration is missing or truncated', () => {
    expect(() => hevcCodec(Buffer.from('ftypiso6moov'))).toThrow('does not describe HEVC');
    expect(() => hevcCodec(init('01 02 20000000'))).toThrow('does not describe HEVC');
  });
});
