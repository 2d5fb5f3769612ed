/**
 * Signed URLs: with `?expires=…&signer=…&signature=…` every client that has the URL can read one kind of bytes of one entity,
 * so that `<img>` and `<video>` in a browser need no token. The URL is valid as long as the token of its signer would be: it
 * becomes invalid when the generation of the token is revoked (new password, deactivation, removed permission), when it
 * expires, and while the entity is in the trash. A URL signed by a guest gives no access by itself: guests read without a
 * signature as long as reading is open.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';
import type { SignedUrls, TokenClaims } from '@cl-server/contract';
import {
  type AuthorizableRequest,
  type Authorize,
  HttpError,
  notFound,
  type RevocationSource,
} from '@cl-server/service-kit';
import type { EntityRow } from '../database/tables.js';

export type Purpose = 'media' | 'preview' | 'stream';

interface RoutedRequest extends AuthorizableRequest {
  readonly params?: unknown;
  readonly query?: unknown;
}

export interface UrlSignerOptions {
  /** The services' own credential. The key is derived from it, so that the key does not reveal the credential. */
  readonly secret: string;
  readonly revocations: RevocationSource;
  /** Whether a user has the permission to read, apart from revocation. */
  readonly mayRead: (user: TokenClaims) => boolean;
  readonly find: (entityId: number) => Promise<EntityRow | undefined>;
  readonly isInTrash: (entity: EntityRow) => Promise<boolean>;
  /** Milliseconds. */
  readonly now: () => number;
}

interface Signed {
  readonly purpose: Purpose;
  readonly entityId: string;
  /** SHA-256 of the entity's file; null if it has none. */
  readonly content: string | null;
  readonly expires: string;
  /** `{user id}.{token generation}`, or `GUEST`. */
  readonly signer: string;
}

const GUEST = '-';
const PATHS: Readonly<Record<Purpose, string>> = {
  media: 'media',
  preview: 'preview',
  stream: 'stream/adaptive.m3u8',
};

const textOf = (from: unknown, key: string): string | undefined => {
  const value = typeof from === 'object' && from !== null ? (from as Record<string, unknown>)[key] : undefined;
  return typeof value === 'string' ? value : undefined;
};

export class UrlSigner {
  readonly #key: Buffer;
  readonly #options: UrlSignerOptions;

  constructor(options: UrlSignerOptions) {
    this.#options = options;
    this.#key = createHmac('sha256', options.secret).update('cl-server store signed urls v3').digest();
  }

  #query(signed: Signed): string {
    const { purpose, entityId, content, expires, signer } = signed;
    const text = [purpose, entityId, content ?? '', expires, signer].join('\n');
    const signature = createHmac('sha256', this.#key).update(text).digest('base64url');
    return new URLSearchParams({ expires, signer, signature }).toString();
  }

  /**
   * @param user the signer; null for a guest
   * @param seconds lifetime from now
   */
  sign(
    entity: { readonly id: number; readonly sha256: string | null },
    user: TokenClaims | null,
    seconds: number,
  ): SignedUrls {
    const { id: entityId, sha256: content } = entity;
    const expires = this.#options.now() + seconds * 1000;
    const signer = user && this.#options.mayRead(user) ? `${user.id}.${user.ver}` : GUEST;
    const path = (purpose: Purpose): string => {
      const query = this.#query({ purpose, entityId: String(entityId), content, expires: String(expires), signer });
      return `/entities/${entityId}/${PATHS[purpose]}?${query}`;
    };
    return { expires_at: expires, media: path('media'), preview: path('preview'), stream: path('stream') };
  }

  /** The signature of a request with its parameters, as a query string; undefined unless it is valid for this purpose. */
  valid({ params, query }: RoutedRequest, purpose: Purpose, content: string | null): string | undefined {
    const entityId = textOf(params, 'entity_id');
    const expires = textOf(query, 'expires');
    const signer = textOf(query, 'signer');
    const signature = textOf(query, 'signature');
    if (entityId === undefined || expires === undefined || signer === undefined || signature === undefined)
      return undefined;
    if (!/^\d{1,16}$/.test(expires) || Number(expires) <= this.#options.now()) return undefined;
    // A signature is for the current version of the entity, not for earlier files.
    if (textOf(query, 'version') !== undefined) return undefined;
    const expected = this.#query({ purpose, entityId, content, expires, signer });
    const given = Buffer.from(new URLSearchParams({ expires, signer, signature }).toString());
    if (given.length !== expected.length || !timingSafeEqual(given, Buffer.from(expected))) return undefined;
    return this.#isAlive(signer) ? expected : undefined;
  }

  #isAlive(signer: string): boolean {
    const [, userId, generation] = /^(.+)\.(\d{1,15})$/s.exec(signer) ?? [];
    return userId !== undefined && Number(generation) >= this.#options.revocations.minVersion(userId);
  }

  /** Extends the guard of the service so that it also accepts a signature for one purpose. */
  guard(authorize: Authorize, purpose: Purpose): Authorize {
    const { revocations, find, isInTrash } = this.#options;
    return async (guard, request: RoutedRequest) => {
      if (textOf(request.query, 'signature') === undefined) return authorize(guard, request);
      if (!(await revocations.isKnown()))
        throw new HttpError(503, 'The auth service has not answered yet: try again shortly', {
          headers: { 'retry-after': '2' },
        });
      const id = textOf(request.params, 'entity_id') ?? '';
      const entity = /^\d{1,15}$/.test(id) ? await find(Number(id)) : undefined;
      if (!entity || this.valid(request, purpose, entity.sha256) === undefined) return authorize(guard, request);
      if (await isInTrash(entity)) throw notFound('Entity not found');
      return null;
    };
  }
}
