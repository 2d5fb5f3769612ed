/**
 * Verifies access tokens: ES256 by a known `kid`, our issuer and audience, type JWT, strict expiry, not revoked, each part
 * in the one spelling that base64url has for its bytes. Verified claims are
 * kept by the token's SHA-256, since a signature costs about 0.16 ms and a client sends the same token thousands of times;
 * expiry and revocation are asked on every hit.
 */
import { hash } from 'node:crypto';
import { TOKEN_AUDIENCE, TOKEN_ISSUER, type TokenClaims, tokenClaims } from '@cl-server/contract';
import { type CompactJWSHeaderParameters, compactVerify } from 'jose';
import { isKeyId, type KeySource, type VerificationKey } from './keys.js';
import { isRevoked, noRevocations, type RevocationSource } from './revocations.js';

/** Why a token is refused; services map it to their documented messages. `unready`: tokens cannot be verified yet. */
export type TokenFault = 'expired' | 'payload' | 'invalid' | 'unready';

export class TokenError extends Error {
  override readonly name = 'TokenError';
  constructor(
    readonly fault: TokenFault,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

export interface VerifierOptions {
  readonly keys: KeySource;
  readonly revocations?: RevocationSource;
  /** Milliseconds. */
  readonly now?: () => number;
  readonly cacheSize?: number;
}

/** Maximum number of characters; our tokens have about 600. */
const MAX_LENGTH = 8_192;
/** All that our tokens have. Others could ask to trust a key that the token brings along, or to read it in another way. */
const HEADERS = new Set(['alg', 'typ', 'kid']);

/**
 * Decoders skip padding and stray bits, so that one token has many spellings. Only the one that an encoder writes is taken.
 */
const isCanonical = (part: string): boolean =>
  /^[\w-]+$/.test(part) && Buffer.from(part, 'base64url').toString('base64url') === part;

const ES256 = { algorithms: ['ES256'] };
const utf8 = new TextDecoder('utf-8', { fatal: true });

/** The JSON object that a token's middle part holds. @throws TokenError */
function objectFrom(payload: Uint8Array): object {
  let value: unknown;
  try {
    value = JSON.parse(utf8.decode(payload));
  } catch (error) {
    throw new TokenError('invalid', 'claims not JSON', { cause: error });
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new TokenError('invalid', 'claims not an object');
  return value;
}

export class TokenVerifier {
  readonly #keys: KeySource;
  readonly #revocations: RevocationSource;
  readonly #now: () => number;
  readonly #cache = new Map<string, TokenClaims>();
  readonly #cacheSize: number;
  /** Counts key changes: what was verified by a key that was dropped meanwhile is not kept. */
  #epoch = 0;

  constructor({ keys, revocations = noRevocations, now = Date.now, cacheSize = 10_000 }: VerifierOptions) {
    this.#keys = keys;
    this.#revocations = revocations;
    this.#now = now;
    this.#cacheSize = cacheSize;
    keys.onChange(() => {
      this.#epoch++;
      this.#cache.clear();
    });
  }

  /** @throws TokenError */
  async verify(token: string): Promise<TokenClaims> {
    if (token.length > MAX_LENGTH) throw new TokenError('invalid', 'token too long');
    const digest = hash('sha256', token, 'base64');
    if (!(await this.#revocations.isKnown())) throw new TokenError('unready', 'revocations not known yet');
    const cached = this.#cache.get(digest);
    const epoch = this.#epoch;
    const claims = cached ?? (await this.#verifySignature(token));
    if (this.#now() >= claims.exp * 1000) {
      this.#cache.delete(digest);
      throw new TokenError('expired', 'token expired');
    }
    if (isRevoked(this.#revocations, claims)) {
      this.#cache.delete(digest);
      throw new TokenError('invalid', 'token revoked');
    }
    if (!cached && epoch === this.#epoch) this.#remember(digest, claims);
    return claims;
  }

  #remember(digest: string, claims: TokenClaims): void {
    if (this.#cache.size >= this.#cacheSize) {
      const oldest = this.#cache.keys().next().value;
      if (oldest !== undefined) this.#cache.delete(oldest);
    }
    this.#cache.set(digest, claims);
  }

  async #verifySignature(token: string): Promise<TokenClaims> {
    if (!token.split('.').every(isCanonical)) throw new TokenError('invalid', 'not in canonical base64url');
    const { payload } = await compactVerify(token, this.#keyFor, ES256).catch((error: unknown) => {
      throw error instanceof TokenError ? error : new TokenError('invalid', 'token not valid', { cause: error });
    });
    const parsed = tokenClaims.safeParse(objectFrom(payload));
    if (!parsed.success) throw new TokenError('payload', 'unexpected claims', { cause: parsed.error });
    const { data } = parsed;
    if (data.iss !== TOKEN_ISSUER) throw new TokenError('invalid', 'wrong issuer');
    this.#checkAudience(data);
    if (data.nbf !== undefined && !(data.nbf * 1000 <= this.#now())) throw new TokenError('invalid', 'not valid yet');
    return data;
  }

  /** A running installation keeps the tokens that it issued before tokens named their audience. */
  #checkAudience({ aud, iat }: TokenClaims): void {
    const since = this.#revocations.audienceSince();
    if (aud === undefined && (since === undefined || (iat !== undefined && iat * 1000 < since))) return;
    if (aud === undefined || ![aud].flat().includes(TOKEN_AUDIENCE)) throw new TokenError('invalid', 'wrong audience');
  }

  /** Asked before anything of the token is believed. */
  readonly #keyFor = async (header: CompactJWSHeaderParameters): Promise<VerificationKey> => {
    for (const name in header) if (!HEADERS.has(name)) throw new TokenError('invalid', 'header not allowed');
    if (header.alg !== 'ES256' || header.typ !== 'JWT' || !isKeyId(header.kid))
      throw new TokenError('invalid', 'unexpected header');
    const key = await this.#keys.get(header.kid);
    if (!key) throw new TokenError(this.#keys.ready() ? 'invalid' : 'unready', 'unknown key');
    return key;
  };
}
