/** Resumable uploads by the tus protocol, 1.0.0: create, send pieces, and after any break ask how far it got. */

import type { appendUpload, Bodies, createUpload } from '@cl-server/contract';
import { ClError, ConflictError, FileError, NetworkError, ServerError, TimeoutError } from '../errors.js';
import type { OnProgress } from '../http/body.js';
import { pause } from '../http/deadline.js';
import type { CallOptions, HttpClient } from '../http/http-client.js';
import { type RequestSpec, requestOf } from '../http/request.js';
import type { FileBody } from './file-body.js';

export interface ResumableOptions extends CallOptions {
  readonly onProgress?: OnProgress | undefined;
  /** Address of an earlier upload, to be continued. An upload that the server no longer knows is started again. */
  readonly uploadUrl?: string | undefined;
  /** Told the upload's address, so that it can be kept and continued by another program run. */
  readonly onUploadUrl?: ((url: string) => void | Promise<void>) | undefined;
  /** Bytes sent at once, and held in memory. Default 8 MiB. */
  readonly chunkSize?: number | undefined;
}

const TUS = { 'tus-resumable': '1.0.0' };
const CHUNK = 8 * 1024 * 1024;
/** Breaks in a row, without a byte in between, after which the upload is given up for now. */
const BREAKS = 6;

const base64 = (text: string): string => btoa(String.fromCodePoint(...new TextEncoder().encode(text)));

const metadataHeader = (metadata: Readonly<Record<string, string | undefined>>): string =>
  Object.entries(metadata)
    .flatMap(([key, value]) => (value === undefined ? [] : [`${key} ${base64(value)}`]))
    .join(',');

const isBreak = (error: unknown): boolean =>
  error instanceof NetworkError ||
  error instanceof TimeoutError ||
  error instanceof ServerError ||
  // The offset that we think of is not where the server stands.
  error instanceof ConflictError;

/** The server's answer to the last piece. */
interface UploadEnd {
  readonly status: number;
  readonly data: Bodies<typeof appendUpload>[200 | 201];
}

class ResumableUpload {
  readonly #http: HttpClient;
  readonly #file: FileBody & Required<Pick<FileBody, 'read'>> & { readonly size: number };
  readonly #options: ResumableOptions;
  #path = '';

  constructor(http: HttpClient, file: FileBody, options: ResumableOptions) {
    const { read, size } = file;
    if (!read || size === undefined)
      throw new FileError(`${file.name} cannot be sent in pieces: hand over a path or a Blob`);
    this.#http = http;
    this.#file = { ...file, read, size };
    this.#options = options;
  }

  async run(metadata: Readonly<Record<string, string | undefined>>): Promise<UploadEnd> {
    let offset = await this.#resume();
    if (offset === undefined) {
      await this.#begin(metadata);
      offset = 0;
    }
    for (let breaks = 0; ; ) {
      try {
        const end = await this.#send(offset);
        if ('data' in end) return end;
        offset = end.offset;
        breaks = 0;
      } catch (error) {
        breaks += 1;
        if (!isBreak(error) || breaks > BREAKS) throw error;
        await pause(Math.min(10_000, 250 * 2 ** breaks), this.#options.signal);
        offset = await this.#ask();
      }
    }
  }

  /** How far an earlier run got; undefined where the server knows nothing of it. */
  async #resume(): Promise<number | undefined> {
    const { uploadUrl } = this.#options;
    if (!uploadUrl) return undefined;
    this.#path = this.#http.pathOf(uploadUrl);
    try {
      return await this.#ask();
    } catch (error) {
      if (error instanceof ClError && 'status' in error && [403, 404, 410].includes(Number(error.status)))
        return undefined;
      throw error;
    }
  }

  async #begin(metadata: Readonly<Record<string, string | undefined>>): Promise<void> {
    const { response, cancel } = await this.#open(
      requestOf<typeof createUpload>({
        method: 'POST',
        path: '/uploads',
        headers: { ...TUS, 'upload-length': String(this.#file.size), 'upload-metadata': metadataHeader(metadata) },
        // An upload begun twice costs the server an empty file, which it forgets.
        idempotent: true,
      }),
    );
    await cancel();
    const location = response.headers.get('location');
    if (!location) throw new ClError('The server began an upload and did not say where', 'bad_answer');
    this.#path = this.#http.pathOf(location);
    await this.#options.onUploadUrl?.(this.#http.url(this.#path));
  }

  async #ask(): Promise<number> {
    const { response, cancel } = await this.#open({ method: 'HEAD', path: this.#path, headers: TUS });
    await cancel();
    const offset = Number(response.headers.get('upload-offset') ?? Number.NaN);
    if (!Number.isSafeInteger(offset))
      throw new ClError('The server does not say how far the upload got', 'bad_answer');
    return offset;
  }

  async #send(offset: number): Promise<UploadEnd | { readonly offset: number }> {
    const bytes = await this.#file.read(offset, offset + (this.#options.chunkSize ?? CHUNK));
    const spec: RequestSpec = {
      method: 'PATCH',
      path: this.#path,
      headers: {
        ...TUS,
        'upload-offset': String(offset),
        'content-type': 'application/offset+octet-stream',
      },
      bytes,
    };
    const { status, data } = await this.#http.answer<Bodies<typeof appendUpload>[200 | 201 | 204]>(spec, this.#options);
    const next = offset + bytes.byteLength;
    this.#options.onProgress?.({ loaded: next, total: this.#file.size });
    return data === undefined ? { offset: next } : { status, data };
  }

  #open(spec: RequestSpec) {
    return this.#http.open(spec, this.#options);
  }
}

/**
 * Sends a file in pieces, over as many broken connections as it takes.
 * @throws FileError for a file that cannot be read at any place, such as a stream
 */
export const uploadResumable = (
  http: HttpClient,
  file: FileBody,
  metadata: Readonly<Record<string, string | undefined>>,
  options: ResumableOptions = {},
): Promise<UploadEnd> => new ResumableUpload(http, file, options).run(metadata);
