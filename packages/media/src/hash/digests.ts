/** Digests of the bytes of a file. */
import { createHash } from 'node:crypto';
import fs from 'node:fs/promises';
import { MediaError } from '../errors.js';
import { type Digests, digestInThreads, type ReadBlocks } from './digest-threads.js';

export type { Digests };

/** Number of bytes that are read at once. */
const BLOCK_SIZE = 1024 * 1024;
/** Size from which threads of their own pay off for the digests. */
const LARGE_FILE_SIZE = 64 * BLOCK_SIZE;

/**
 * Computes MD5, SHA-256 and SHA-512 of a file in one pass and in constant memory. Large files are digested on two
 * threads.
 * @param onBytes receives the number of bytes read so far
 * @throws MediaError `cancelled`; the I/O errors of the file
 */
export async function fileDigests(
  file: string,
  signal?: AbortSignal,
  onBytes?: (bytes: number) => void,
): Promise<Digests> {
  const handle = await fs.open(file, 'r');
  try {
    const read: ReadBlocks = async (buffer, at) => {
      if (signal?.aborted) throw new MediaError('cancelled', 'The work was cancelled');
      const { bytesRead } = await handle.read(buffer, 0, buffer.length, at);
      if (bytesRead > 0) onBytes?.(at + bytesRead);
      return bytesRead;
    };
    const { size } = await handle.stat();
    return size >= LARGE_FILE_SIZE
      ? await digestInThreads(read, [['md5', 'sha256'], ['sha512']])
      : await digestHere(read);
  } finally {
    await handle.close();
  }
}

async function digestHere(read: ReadBlocks): Promise<Digests> {
  const [md5, sha256, sha512] = [createHash('md5'), createHash('sha256'), createHash('sha512')];
  const buffer = Buffer.allocUnsafe(BLOCK_SIZE);
  let size = 0;
  for (;;) {
    const length = await read(buffer, size);
    if (length === 0) break;
    const block = buffer.subarray(0, length);
    md5.update(block);
    sha256.update(block);
    sha512.update(block);
    size += length;
  }
  return { size, md5: md5.digest('hex'), sha256: sha256.digest('hex'), sha512: sha512.digest('hex') };
}
