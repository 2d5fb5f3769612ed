/** The colour code points of the main picture of a HEIF file (ISO/IEC 23008-12): HEIC and AVIF. */
import { mainPicture } from '../image/heif.js';
import { type Hdr, hdrOfCodes } from './hdr.js';

/** @param head the file's first bytes, which contain its `meta` box */
export function hdrOfHeif(head: Buffer): Hdr | undefined {
  for (const { type, data } of mainPicture(head)?.properties ?? [])
    if (type === 'colr' && data.toString('latin1', 0, 4) === 'nclx')
      return data.length >= 8 ? hdrOfCodes(data.readUInt16BE(4), data.readUInt16BE(6)) : undefined;
  return undefined;
}
