import { fileSink } from '#platform';
import { ClError, isAbort, NetworkError, TimeoutError } from '../errors.js';
import type { OnProgress } from '../http/body.js';
import { pause } from '../http/deadline.js';
import type { CallOptions, HttpClient, OpenAnswer } from '../http/http-client.js';
import type { RequestSpec } from '../http/request.js';
import type { FileSink } from './sink.js';

export interface DownloadOptions extends CallOptions {
  readonly onProgress?: OnProgress | undefined;
}

/** Result of a download. */
export interface Downloaded {
  readonly path: string;
  /** Bytes of the whole file. */
  readonly size: number;
  /** Media type as the server says it. */
  readonly type: string | undefined;
}

/** Times that a broken transfer is taken up again, each time that no byte came in between. */
const RESUMES = 4;

/** A weak validator does not promise equal bytes, so nothing may be joined on its word. */
const strongEtag = ({ headers }: Response): string | undefined => {
  const etag = headers.get('etag');
  return etag && !etag.startsWith('W/') ? etag : undefined;
};

/** Bytes of the whole file: of a part, from `Content-Range`. A compressed transfer does not tell. */
function wholeSize({ headers, status }: Response): number | undefined {
  if (status === 206) {
    const total = /\/(\d+)$/.exec(headers.get('content-range') ?? '')?.[1];
    return total === undefined ? undefined : Number(total);
  }
  const length = headers.get('content-length');
  return length === null || headers.has('content-encoding') ? undefined : Number(length);
}

const broken = (error: unknown): boolean =>
  !isAbort(error) &&
  (error instanceof NetworkError || error instanceof TimeoutError || (error as ClError).code === 'short');

/** One download to a file: several answers, if the connection breaks. */
class Transfer {
  readonly #http: HttpClient;
  readonly #spec: RequestSpec;
  readonly #sink: FileSink;
  readonly #options: DownloadOptions;
  #etag: string | undefined;
  #total: number | undefined;
  #position = 0;
  type: string | undefined;

  constructor(http: HttpClient, spec: RequestSpec, sink: FileSink, options: DownloadOptions) {
    this.#http = http;
    this.#spec = spec;
    this.#sink = sink;
    this.#options = options;
  }

  async run(): Promise<number> {
    let answer = await this.#continueEarlier(await this.#ask(0));
    for (let idle = 0; ; ) {
      const before = this.#position;
      try {
        await this.#receive(answer);
        return this.#position;
      } catch (error) {
        if (!broken(error)) throw error;
        idle = this.#position > before ? 0 : idle + 1;
        if (idle > RESUMES) throw error;
        await pause(200 * 2 ** idle, this.#options.signal);
        answer = await this.#ask(this.#etag === undefined ? 0 : this.#position);
      }
    }
  }

  #ask(offset: number): Promise<OpenAnswer> {
    const range =
      offset > 0 && this.#etag !== undefined ? { range: `bytes=${offset}-`, 'if-range': this.#etag } : undefined;
    // Compressed bytes could not be counted against the file's length.
    const headers = { ...this.#spec.headers, 'accept-encoding': 'identity', ...range };
    return this.#http.open({ ...this.#spec, headers }, this.#options);
  }

  /** Takes up what an earlier call left, if the content is still the same. */
  async #continueEarlier(first: OpenAnswer): Promise<OpenAnswer> {
    this.#etag = strongEtag(first.response);
    const kept = this.#etag === undefined ? 0 : await this.#sink.resumeAt(this.#etag);
    const total = wholeSize(first.response);
    if (kept === 0 || total === undefined || kept >= total) return first;
    await first.cancel();
    this.#position = kept;
    return this.#ask(kept);
  }

  async #receive(answer: OpenAnswer): Promise<void> {
    const { response } = answer;
    if (response.status !== 206) this.#position = 0;
    this.#etag = strongEtag(response);
    this.#total = wholeSize(response);
    this.type = response.headers.get('content-type') ?? undefined;
    await this.#sink.begin(this.#position, this.#etag);
    for await (const chunk of answer.chunks()) {
      await this.#sink.write(chunk);
      this.#position += chunk.byteLength;
      this.#options.onProgress?.({ loaded: this.#position, total: this.#total });
    }
    if (this.#total !== undefined && this.#position !== this.#total)
      throw new ClError(`The answer ended after ${this.#position} of ${this.#total} bytes`, 'short');
  }
}

/**
 * Downloads to a file. The file appears under its name only when it is whole; a broken transfer is taken up where it
 * ended, by a later call too, if the server gives the content a strong ETag.
 * @throws FileError if the file cannot be written
 */
export async function downloadToFile(
  http: HttpClient,
  spec: RequestSpec,
  dest: string,
  options: DownloadOptions = {},
): Promise<Downloaded> {
  const sink = fileSink(dest);
  const transfer = new Transfer(http, spec, sink, options);
  try {
    const size = await transfer.run();
    await sink.commit();
    return { path: dest, size, type: transfer.type };
  } catch (error) {
    await sink.suspend();
    throw error;
  }
}

/** Downloads into memory. */
export async function downloadBytes(
  http: HttpClient,
  spec: RequestSpec,
  { onProgress, ...options }: DownloadOptions = {},
): Promise<Uint8Array<ArrayBuffer>> {
  const answer = await http.open(spec, options);
  const total = wholeSize(answer.response);
  const parts: Uint8Array[] = [];
  let loaded = 0;
  for await (const chunk of answer.chunks()) {
    parts.push(chunk);
    loaded += chunk.byteLength;
    onProgress?.({ loaded, total });
  }
  const bytes = new Uint8Array(loaded);
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.byteLength;
  }
  return bytes;
}
