import type {
  deleteStream,
  getMedia,
  getPreview,
  getStreamFile,
  getStreamManifest,
  SignedUrls,
  signUrls,
} from '@cl-server/contract';
import { ClError } from '../errors.js';
import { type Downloaded, type DownloadOptions, downloadBytes, downloadToFile } from '../files/download.js';
import { pause } from '../http/deadline.js';
import type { CallOptions, HttpClient } from '../http/http-client.js';
import { type RequestSpec, requestOf } from '../http/request.js';

/** Which file of an entity. */
export interface MediaChoice {
  /** The file as it was in this version. */
  readonly version?: number | undefined;
}

export interface PreviewOptions extends DownloadOptions, MediaChoice {
  /** Make the preview again. */
  readonly force?: boolean | undefined;
}

export interface SignOptions extends CallOptions {
  /** Milliseconds until the addresses expire, between ten seconds and one day. Default: 15 minutes. */
  readonly expiresInMs?: number | undefined;
}

/** Bytes of entities: media, previews, streams. */
export class MediaClient {
  readonly #http: HttpClient;

  constructor(http: HttpClient) {
    this.#http = http;
  }

  /**
   * Downloads the file to a path.
   *
   * @example
   * ```ts
   * await store.media.download(7, 'photo.jpg', { onProgress: ({ loaded }) => console.log(loaded) });
   * ```
   */
  download(id: number, dest: string, { version, ...options }: DownloadOptions & MediaChoice = {}): Promise<Downloaded> {
    return downloadToFile(this.#http, this.#media(id, version), dest, options);
  }

  /**
   * The file in memory.
   *
   * @example
   * ```ts
   * const first = await store.media.bytes(7, { version: 1 });
   * ```
   */
  bytes(id: number, { version, ...options }: DownloadOptions & MediaChoice = {}): Promise<Uint8Array<ArrayBuffer>> {
    return downloadBytes(this.#http, this.#media(id, version), options);
  }

  /**
   * The file as it arrives.
   *
   * @example
   * ```ts
   * for await (const chunk of await store.media.stream(7)) console.log(chunk.length);
   * ```
   */
  async stream(
    id: number,
    { version, ...options }: CallOptions & MediaChoice = {},
  ): Promise<AsyncGenerator<Uint8Array, void, undefined>> {
    return (await this.#http.open(this.#media(id, version), options)).chunks();
  }

  #media(id: number, version: number | undefined): RequestSpec {
    return requestOf<typeof getMedia>({
      method: 'GET',
      path: '/entities/{entity_id}/media',
      params: { entity_id: id },
      query: { version },
    });
  }

  #playlist(id: number): RequestSpec {
    return requestOf<typeof getStreamManifest>({
      method: 'GET',
      path: '/entities/{entity_id}/stream/adaptive.m3u8',
      params: { entity_id: id },
      query: { wait: true },
    });
  }

  #preview(id: number, { force, version }: Pick<PreviewOptions, 'force' | 'version'>): RequestSpec {
    return requestOf<typeof getPreview>({
      method: 'GET',
      path: '/entities/{entity_id}/preview',
      params: { entity_id: id },
      query: { force, version },
    });
  }

  /**
   * A small upright PNG.
   *
   * @example
   * ```ts
   * const picture = await store.media.preview(7);
   * ```
   */
  preview(id: number, { force, version, ...options }: PreviewOptions = {}): Promise<Uint8Array<ArrayBuffer>> {
    return downloadBytes(this.#http, this.#preview(id, { force, version }), options);
  }

  /**
   * @example
   * ```ts
   * await store.media.downloadPreview(7, 'small.png');
   * ```
   */
  downloadPreview(id: number, dest: string, { force, version, ...options }: PreviewOptions = {}): Promise<Downloaded> {
    return downloadToFile(this.#http, this.#preview(id, { force, version }), dest, options);
  }

  /**
   * Address of the HLS playlist of a video. A player needs a token or, better, `signedUrls`.
   *
   * @example
   * ```ts
   * const url = store.media.streamUrl(7);
   * ```
   */
  streamUrl(id: number): string {
    return this.#http.url(this.#playlist(id).path);
  }

  /**
   * The HLS playlist, once the server has made it. @param timeoutMs of the whole wait; default two minutes
   * @example
   * ```ts
   * const m3u8 = await store.media.playlist(7);
   * ```
   */
  async playlist(id: number, { timeoutMs = 120_000, signal }: CallOptions = {}): Promise<string> {
    const end = performance.now() + timeoutMs;
    const spec = this.#playlist(id);
    for (;;) {
      const { response, chunks, cancel } = await this.#http.open(spec, { signal, timeoutMs: 60_000 });
      if (response.status !== 202) {
        let text = '';
        const decoder = new TextDecoder();
        for await (const chunk of chunks()) text += decoder.decode(chunk, { stream: true });
        return text;
      }
      await cancel();
      if (performance.now() > end) throw new ClError('The stream is still being made', 'hls_generating');
      await pause(500, signal);
    }
  }

  /**
   * One file of the stream: a variant's playlist or a segment.
   *
   * @example
   * ```ts
   * const segment = await store.media.streamFile(7, 'adaptive-orig-000.ts');
   * ```
   */
  streamFile(id: number, name: string, options?: DownloadOptions): Promise<Uint8Array<ArrayBuffer>> {
    return downloadBytes(
      this.#http,
      requestOf<typeof getStreamFile>({
        method: 'GET',
        path: '/entities/{entity_id}/stream/{filename}',
        params: { entity_id: id, filename: name },
      }),
      options,
    );
  }

  /**
   * Removes the files of the stream; the next request makes them again.
   *
   * @example
   * ```ts
   * await store.media.deleteStream(7);
   * ```
   */
  async deleteStream(id: number, options?: CallOptions): Promise<void> {
    await this.#http.call<typeof deleteStream>(
      { method: 'DELETE', path: '/entities/{entity_id}/stream', params: { entity_id: id } },
      options,
    );
  }

  /**
   * Addresses of media, preview and stream that need no token until they expire, for `<img>`, `<video>` and players.
   *
   * @example
   * ```ts
   * const { media, preview, expires_at } = await store.media.signedUrls(7, { expiresInMs: 3_600_000 });
   * ```
   */
  async signedUrls(id: number, { expiresInMs, ...options }: SignOptions = {}): Promise<SignedUrls> {
    const form = { expires_in: expiresInMs === undefined ? undefined : Math.ceil(expiresInMs / 1000) };
    const signed = await this.#http.call<typeof signUrls>(
      { method: 'POST', path: '/entities/{entity_id}/signed-urls', params: { entity_id: id }, form, idempotent: true },
      options,
    );
    const whole = (address: string): string => this.#http.url(this.#http.pathOf(address));
    return { ...signed, media: whole(signed.media), preview: whole(signed.preview), stream: whole(signed.stream) };
  }
}
