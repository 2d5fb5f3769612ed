/** Detects HDR pictures, whose numbers mean brightness beyond white, by their code points (ITU-T H.273). */

/** PQ is SMPTE ST 2084, HLG is ARIB STD-B67; ITU-R BT.2100 contains both. */
export type HdrTransfer = 'pq' | 'hlg';
export type Primaries = 'bt709' | 'bt2020' | 'p3';

export interface Hdr {
  readonly transfer: HdrTransfer;
  readonly primaries: Primaries;
}

const TRANSFERS: Readonly<Record<number, HdrTransfer>> = { 16: 'pq', 18: 'hlg' };
const PRIMARIES: Readonly<Record<number, Primaries>> = { 1: 'bt709', 9: 'bt2020', 11: 'p3', 12: 'p3' };

/** @returns undefined if the transfer function is that of an ordinary picture */
export function hdrOfCodes(primaries: number, transfer: number): Hdr | undefined {
  const known = TRANSFERS[transfer];
  return known && { transfer: known, primaries: PRIMARIES[primaries] ?? 'bt2020' };
}

/** The same from the names that ffmpeg uses. */
export function hdrOfNames(primaries: string | undefined, transfer: string | undefined): Hdr | undefined {
  const known = transfer === 'smpte2084' ? 'pq' : transfer === 'arib-std-b67' ? 'hlg' : undefined;
  if (!known) return undefined;
  if (primaries === 'bt709') return { transfer: known, primaries };
  return { transfer: known, primaries: primaries?.startsWith('smpte43') ? 'p3' : 'bt2020' };
}

const PNG_SIGNATURE = 8;

/**
 * Reads a PNG's cICP chunk (third edition, 11.3.2.6), which comes before the pixels. @param head the file's first bytes
 */
export function hdrOfPng(head: Buffer): Hdr | undefined {
  for (let at = PNG_SIGNATURE; at + 12 <= head.length; at += head.readUInt32BE(at) + 12) {
    const type = head.toString('latin1', at + 4, at + 8);
    if (type === 'IDAT') return undefined;
    if (type === 'cICP') return hdrOfCodes(head[at + 8] ?? 0, head[at + 9] ?? 0);
  }
  return undefined;
}

const ICC_HEADER = 128;

/** Reads the `cicp` tag of a colour profile (ICC.1:2022, 9.2.17). */
export function hdrOfProfile(profile: Uint8Array | undefined): Hdr | undefined {
  if (!profile || profile.length < ICC_HEADER + 4) return undefined;
  const icc = Buffer.from(profile.buffer, profile.byteOffset, profile.length);
  const tags = Math.min(icc.readUInt32BE(ICC_HEADER), 100);
  for (let i = 0; i < tags; i++) {
    const at = ICC_HEADER + 4 + i * 12;
    if (at + 12 > icc.length) return undefined;
    if (icc.toString('latin1', at, at + 4) !== 'cicp') continue;
    const data = icc.readUInt32BE(at + 4);
    return data + 12 <= icc.length ? hdrOfCodes(icc[data + 8] ?? 0, icc[data + 9] ?? 0) : undefined;
  }
  return undefined;
}
