/** Finds out who calls, from the header of a request and the guard of an endpoint, or refuses the call. */
import { type Guard, PERMISSIONS, type TokenClaims } from '@cl-server/contract';
import { forbidden, HttpError, unauthenticated } from '../errors.js';
import { sameSecret } from '../process/credential.js';
import { TokenError, type TokenFault, type TokenVerifier } from './verifier.js';

export interface GuardMessages {
  /** No token where one is needed. */
  readonly missing: string;
  readonly faults: Readonly<Record<Exclude<TokenFault, 'unready'>, string>>;
  readonly permission: (permission: string) => string;
  readonly admin: string;
}

/** Messages of a service that does not bring its own. */
const DEFAULT_MESSAGES: GuardMessages = {
  missing: 'Authentication required',
  faults: {
    expired: 'JWT token has expired',
    payload: 'JWT payload is invalid',
    invalid: 'Could not validate credentials',
  },
  permission: (permission) => `Insufficient permissions. Required: ${permission}`,
  admin: 'Insufficient permissions. Admin access required',
};

/**
 * How an endpoint is protected now: `open` ignores invalid tokens, `public-but-checked` accepts calls without a token but
 * refuses an invalid one, `closed` applies the guard.
 */
export type Openness = 'open' | 'public-but-checked' | 'closed';

export interface AuthorizerOptions {
  readonly verifier: TokenVerifier;
  readonly messages?: GuardMessages;
  /** The services' own credential, for the guard `service`. */
  readonly credential?: string;
  /** Asked for each request: modes such as no-auth, guest mode and read-auth. Guards `public` and `service` never ask. */
  readonly openness?: (guard: Guard) => Openness | Promise<Openness>;
  /** A last check of verified claims, e.g. against the user's row. @throws HttpError */
  readonly confirm?: (claims: TokenClaims) => TokenClaims | Promise<TokenClaims>;
}

export interface AuthorizableRequest {
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
}

/** The caller's claims; null for a caller without a token that may call. */
export type Authorize = (guard: Guard, request: AuthorizableRequest) => Promise<TokenClaims | null>;

const PERMISSION_OF: Partial<Record<Guard, string>> = {
  compute: PERMISSIONS.compute,
  read: PERMISSIONS.storeRead,
  media: PERMISSIONS.storeRead,
  write: PERMISSIONS.storeWrite,
};

/** The credential of `Authorization: Bearer …`; other schemes count as none. */
export function bearerOf(request: AuthorizableRequest): string | undefined {
  const header = request.headers.authorization;
  if (typeof header !== 'string') return undefined;
  const given = header.trim();
  return /^bearer(?=\s|$)/i.test(given) ? given.slice('bearer'.length).trimStart() : undefined;
}

export function createAuthorizer(options: AuthorizerOptions): Authorize {
  const { verifier, messages = DEFAULT_MESSAGES, credential, openness, confirm } = options;

  const identify = async (token: string): Promise<TokenClaims> => {
    try {
      const claims = await verifier.verify(token);
      return confirm ? await confirm(claims) : claims;
    } catch (error) {
      if (!(error instanceof TokenError)) throw error;
      if (error.fault === 'unready')
        throw new HttpError(503, 'The auth service has not answered yet: try again shortly', {
          headers: { 'retry-after': '2' },
          cause: error,
        });
      throw unauthenticated(messages.faults[error.fault]);
    }
  };

  return async (guard, request) => {
    if (guard === 'public') return null;
    const token = bearerOf(request);
    if (guard === 'service') {
      if (token === undefined) throw unauthenticated(messages.missing);
      if (credential === undefined || !sameSecret(token, credential)) throw unauthenticated(messages.faults.invalid);
      return null;
    }
    const mode = (await openness?.(guard)) ?? 'closed';
    if (mode === 'open') return token === undefined ? null : identify(token).catch(() => null);
    if (token === undefined) {
      if (mode === 'public-but-checked') return null;
      throw unauthenticated(messages.missing);
    }
    const claims = await identify(token);
    if (mode === 'public-but-checked' || claims.is_admin || guard === 'user') return claims;
    const permission = PERMISSION_OF[guard];
    if (permission === undefined) throw forbidden(messages.admin);
    if (!claims.permissions.includes(permission)) throw forbidden(messages.permission(permission));
    return claims;
  };
}
