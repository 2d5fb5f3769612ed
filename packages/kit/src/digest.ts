/** Digests of bytes while they pass, and of whole files. Memory use does not depend on the size. */
import { createHash, type Hash } from 'node:crypto';
import fs from 'node:fs';
import { Transform, type TransformCallback } from 'node:stream';
import { pipeline } from 'node:stream/promises';

export type DigestAlgorithm = 'md5' | 'sha256' | 'sha512';

/** Bytes read from a file at once. */
const BLOCK_BYTES = 1 << 20;

/** Passes bytes through unchanged, counts them and digests them. */
export class DigestStream<A extends DigestAlgorithm> extends Transform {
  /** Bytes that have passed. */
  size = 0;
  readonly #hashes: ReadonlyMap<A, Hash>;
  readonly #onBytes: ((size: number) => void) | undefined;

  /** @param onBytes called with the size of each block that passes */
  constructor(algorithms: readonly A[], onBytes?: (size: number) => void) {
    super();
    this.#hashes = new Map(algorithms.map((algorithm) => [algorithm, createHash(algorithm)]));
    this.#onBytes = onBytes;
  }

  override _transform(chunk: Buffer | string, encoding: BufferEncoding, done: TransformCallback): void {
    const bytes = typeof chunk === 'string' ? Buffer.from(chunk, encoding) : chunk;
    this.size += bytes.length;
    this.#onBytes?.(bytes.length);
    for (const hash of this.#hashes.values()) hash.update(bytes);
    done(null, bytes);
  }

  /** The digests in hexadecimal. To be called once, after the stream has ended. */
  digests(): Record<A, string> {
    const entries = [...this.#hashes].map(([algorithm, hash]) => [algorithm, hash.digest('hex')]);
    return Object.fromEntries(entries) as Record<A, string>;
  }
}

/**
 * Size in bytes and digests in hexadecimal of a file, in one reading.
 * @throws the system's error if the file cannot be read; the signal's AbortError
 */
export async function digestFile<A extends DigestAlgorithm>(
  file: string,
  algorithms: readonly A[],
  signal?: AbortSignal,
): Promise<Record<A, string> & { size: number }> {
  const stream = new DigestStream(algorithms);
  stream.resume(); // The bytes themselves are not needed.
  await pipeline(fs.createReadStream(file, { highWaterMark: BLOCK_BYTES }), stream, signal ? { signal } : {});
  return { ...stream.digests(), size: stream.size };
}
