/** Decodes HEIC on a worker thread. */
import fs from 'node:fs/promises';
import { Worker } from 'node:worker_threads';
import { Semaphore } from '@cl-server/kit';
import { invalidMedia, MediaError, safeReason } from '../errors.js';

/** Uncompressed RGBA pixels, rows from the top. */
export interface RawPixels {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
  /** Message of the decoder if the pixels are damaged. */
  readonly damage?: string;
}

type Answer = { width: number; height: number; data: ArrayBuffer } | { error: string };

/** A HEIC file is loaded into memory as a whole; cameras stay far below this size. */
const MAX_FILE_SIZE = 200 * 1024 * 1024;
const TIMEOUT_MS = 60_000;
// Only one file is decoded at a time: a 12-megapixel photo takes about 240 MB.
const gate = new Semaphore({ width: 1 });

function ask(buffer: ArrayBuffer, signal: AbortSignal | undefined): Promise<Answer> {
  const worker = new Worker(new URL('../../bin/heic-worker.js', import.meta.url), {
    resourceLimits: { maxOldGenerationSizeMb: 512 },
    // libheif prints the message of the error as well.
    stdout: true,
    stderr: true,
  });
  return new Promise<Answer>((resolve, reject) => {
    const end = (error: Error): void => reject(error);
    const timer = setTimeout(
      () => end(new MediaError('timeout', 'The HEIC image took too long to decode')),
      TIMEOUT_MS,
    );
    const onAbort = (): void => end(new MediaError('cancelled', 'The work was cancelled'));
    signal?.addEventListener('abort', onAbort, { once: true });
    worker.once('message', (answer: Answer) => resolve(answer));
    worker.once('error', (cause) => end(invalidMedia('The HEIC image cannot be decoded', cause)));
    worker.once('exit', () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
      end(invalidMedia('The HEIC image cannot be decoded'));
    });
    worker.postMessage({ buffer }, [buffer]);
  }).finally(() => void worker.terminate());
}

/**
 * Decodes the main picture of a HEIC file, upright (the decoder applies the container's rotation).
 * @throws MediaError
 */
export const decodeHeic = (file: string, signal?: AbortSignal): Promise<RawPixels> =>
  gate.run(async () => {
    if (signal?.aborted) throw new MediaError('cancelled', 'The work was cancelled');
    const { size } = await fs.stat(file);
    if (size > MAX_FILE_SIZE) throw invalidMedia(`The HEIC image is larger than ${MAX_FILE_SIZE / 1024 / 1024} MB`);
    const bytes = new Uint8Array(size);
    bytes.set(await fs.readFile(file));
    const answer = await ask(bytes.buffer, signal);
    if ('error' in answer) throw invalidMedia(`The HEIC image cannot be decoded: ${safeReason(answer.error)}`);
    return { width: answer.width, height: answer.height, data: new Uint8Array(answer.data) };
  });
