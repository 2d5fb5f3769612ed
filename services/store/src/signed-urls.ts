/**
 * Signed URLs: `?expires=…&signature=…` opens the bytes of one entity to whoever has it, for a while, so that a browser's
 * `<img>` and `<video>` need no token.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';
import type { SignedUrls } from '@cl-server/contract';
import type { AuthorizableRequest, Authorize } from '@cl-server/runtime';

interface RoutedRequest extends AuthorizableRequest {
  readonly params?: unknown;
  readonly query?: unknown;
}

const textOf = (from: unknown, key: string): string | undefined => {
  const value = typeof from === 'object' && from !== null ? (from as Record<string, unknown>)[key] : undefined;
  return typeof value === 'string' ? value : undefined;
};

export class UrlSigner {
  readonly #key: Buffer;

  /**
   * @param secret the services' own credential; the key is derived from it, so that one tells nothing of the other
   * @param now milliseconds
   */
  constructor(
    secret: string,
    private readonly now: () => number,
  ) {
    this.#key = createHmac('sha256', secret).update('cl-server store signed urls v1').digest();
  }

  #signature(entityId: string, expires: string): string {
    return createHmac('sha256', this.#key).update(`${entityId}\n${expires}`).digest('base64url');
  }

  /** @param seconds from now */
  sign(entityId: number, seconds: number): SignedUrls {
    const expires = this.now() + seconds * 1000;
    const query = this.query(entityId, expires);
    const path = (name: string): string => `/entities/${entityId}/${name}?${query}`;
    return {
      expires_at: expires,
      media: path('media'),
      preview: path('preview'),
      stream: path('stream/adaptive.m3u8'),
    };
  }

  query(entityId: number, expires: number): string {
    return `expires=${expires}&signature=${this.#signature(String(entityId), String(expires))}`;
  }

  /** The signature's part of a request's query, where it opens the entity that the path names. */
  valid({ params, query }: RoutedRequest): string | undefined {
    const entityId = textOf(params, 'entity_id');
    const expires = textOf(query, 'expires');
    const signature = textOf(query, 'signature');
    if (entityId === undefined || expires === undefined || signature === undefined) return undefined;
    if (!/^\d{1,16}$/.test(expires) || Number(expires) <= this.now()) return undefined;
    const expected = Buffer.from(this.#signature(entityId, expires));
    const given = Buffer.from(signature);
    if (given.length !== expected.length || !timingSafeEqual(given, expected)) return undefined;
    return `expires=${expires}&signature=${signature}`;
  }

  /** The service's guard, that also takes a signature. */
  guard(authorize: Authorize): Authorize {
    return async (guard, request) => (this.valid(request) !== undefined ? null : authorize(guard, request));
  }
}
