/** Claims of a token. The token is read and not verified, because only servers have to verify it. */
export interface TokenTimes {
  /** Seconds since 1970, by the server's clock. */
  readonly issuedAt: number | undefined;
  readonly expiresAt: number | undefined;
  /** The id of the session that the token belongs to. */
  readonly sessionId: string | undefined;
}

/** Undefined where the text is no JWT. */
export function tokenTimes(token: string): TokenTimes | undefined {
  const payload = token.split('.')[1];
  if (!payload) return undefined;
  try {
    const bytes = Uint8Array.from(atob(payload.replaceAll('-', '+').replaceAll('_', '/')), (c) => c.charCodeAt(0));
    const claims = JSON.parse(new TextDecoder().decode(bytes)) as {
      iat?: unknown;
      exp?: unknown;
      sid?: unknown;
    };
    const number = (value: unknown): number | undefined => (typeof value === 'number' ? value : undefined);
    return {
      issuedAt: number(claims.iat),
      expiresAt: number(claims.exp),
      sessionId: typeof claims.sid === 'string' ? claims.sid : undefined,
    };
  } catch {
    return undefined;
  }
}

/** A token with its end by this machine's clock, however wrong that clock is. */
export interface HeldToken {
  readonly accessToken: string;
  /** Milliseconds since 1970, by the local clock; null where the token does not say. */
  readonly expiresAt: number | null;
  /** Milliseconds that it was good for when it came. */
  readonly lifetime: number | null;
}

/** Takes a token in at the moment of its arrival: from then on only time passed counts, not the two clocks' difference. */
export function holdToken(accessToken: string, now: number): HeldToken {
  const times = tokenTimes(accessToken);
  if (times?.expiresAt === undefined) return { accessToken, expiresAt: null, lifetime: null };
  const lifetime =
    times.issuedAt === undefined ? times.expiresAt * 1000 - now : (times.expiresAt - times.issuedAt) * 1000;
  return { accessToken, expiresAt: now + lifetime, lifetime };
}

/** A minute before the end, or a fifth of the lifetime for a token that lives shorter than five minutes. */
export const shouldRefresh = ({ expiresAt, lifetime }: HeldToken, now: number): boolean =>
  expiresAt !== null && expiresAt - now < Math.min(60_000, (lifetime ?? 300_000) / 5);
