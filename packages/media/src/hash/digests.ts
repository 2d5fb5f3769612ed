import { createHash } from 'node:crypto';
import fs from 'node:fs';
import { MediaError } from '../errors.js';

export interface Digests {
  /** Bytes. */
  readonly size: number;
  readonly md5: string;
  readonly sha256: string;
  readonly sha512: string;
}

/** Large blocks: the digests take turns on the processor's cache, and fewer turns are faster. */
const BLOCK = 1024 * 1024;

/**
 * MD5, SHA-256 and SHA-512 of a file's bytes in one pass, in constant memory.
 * @param onBytes told how many bytes were read so far
 */
export async function fileDigests(
  file: string,
  signal?: AbortSignal,
  onBytes?: (bytes: number) => void,
): Promise<Digests> {
  const [md5, sha256, sha512] = [createHash('md5'), createHash('sha256'), createHash('sha512')];
  let size = 0;
  try {
    for await (const chunk of fs.createReadStream(file, { highWaterMark: BLOCK, signal })) {
      const block = chunk as Buffer;
      md5.update(block);
      sha256.update(block);
      sha512.update(block);
      size += block.length;
      onBytes?.(size);
    }
  } catch (cause) {
    if (signal?.aborted) throw new MediaError('cancelled', 'The work was cancelled', { cause });
    throw cause;
  }
  return { size, md5: md5.digest('hex'), sha256: sha256.digest('hex'), sha512: sha512.digest('hex') };
}
