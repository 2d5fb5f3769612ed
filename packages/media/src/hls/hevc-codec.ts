/** Bytes of an HEVCDecoderConfigurationRecord (ISO/IEC 14496-15, 8.3.2.1) up to the level. */
const RECORD_LENGTH = 13;
const PROFILE_SPACES = ['', 'A', 'B', 'C'];

const hex = (value: number): string => value.toString(16).toUpperCase();

/** The 32 compatibility flags in reverse order: the first becomes the lowest bit. */
function reversed(bits: number): number {
  let result = 0;
  for (let i = 0; i < 32; i++) result = result * 2 + ((bits >>> i) & 1);
  return result;
}

/**
 * The RFC 6381 name of the HEVC stream of an MP4 (ISO/IEC 14496-15, annex E.3): `hvc1.2.4.L93.B0` is Main 10, level
 * 3.1.
 * @param init the beginning of fragmented MP4, made by this server
 * @throws Error if it contains no HEVC stream
 */
export function hevcCodec(init: Buffer): string {
  const at = init.indexOf('hvcC', 0, 'latin1') + 4;
  if (at < 4 || at + RECORD_LENGTH > init.length)
    throw new Error('the beginning of the rendition does not describe HEVC');
  const record = init.subarray(at, at + RECORD_LENGTH);
  const profile = record.readUInt8(1);
  const constraints = [...record.subarray(6, 12)];
  while (constraints.at(-1) === 0) constraints.pop();
  return [
    'hvc1',
    `${PROFILE_SPACES[profile >> 6]}${profile & 0x1f}`,
    hex(reversed(record.readUInt32BE(2))),
    `${profile & 0x20 ? 'H' : 'L'}${record.readUInt8(12)}`,
    ...constraints.map(hex),
  ].join('.');
}
