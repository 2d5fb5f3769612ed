import { randomUUID } from 'node:crypto';
import { type AccessToken, TOKEN_AUDIENCE, TOKEN_ISSUER } from '@cl-server/contract';
import { SignJWT } from 'jose';
import type { UserRow } from '../database/tables.js';
import type { SigningKeys } from '../keys/signing-keys.js';
import { permissionsOf } from '../users/user.js';

export interface TokenIssuerOptions {
  readonly keys: SigningKeys;
  /** Token lifetime in seconds. */
  readonly lifetime: number;
  readonly now: () => number;
}

/** A session that a token belongs to. The token does not outlive it. */
export interface IssuingSession {
  readonly id: string;
  /** Milliseconds since the epoch. */
  readonly expiresAt: number;
}

export class TokenIssuer {
  readonly #options: TokenIssuerOptions;

  constructor(options: TokenIssuerOptions) {
    this.#options = options;
  }

  /** Seconds for which a token of a session is valid if it is issued now. */
  lifetimeIn({ expiresAt }: IssuingSession): number {
    const { lifetime, now } = this.#options;
    return Math.min(lifetime, Math.floor(expiresAt / 1000) - Math.floor(now() / 1000));
  }

  /** Issues a token with the rights of the row, signed by the current key. */
  async issue(row: UserRow, session?: IssuingSession): Promise<AccessToken> {
    const { keys, lifetime, now } = this.#options;
    const { kid, privateKey } = keys.signing();
    const issuedAt = Math.floor(now() / 1000);
    const id = String(row.id);
    const token = await new SignJWT({
      id,
      username: row.username,
      permissions: permissionsOf(row),
      is_admin: row.is_admin === 1,
      ver: row.token_version,
      ...(session && { sid: session.id }),
    })
      .setProtectedHeader({ alg: 'ES256', typ: 'JWT', kid })
      .setSubject(id)
      .setIssuer(TOKEN_ISSUER)
      .setAudience(TOKEN_AUDIENCE)
      .setIssuedAt(issuedAt)
      .setExpirationTime(issuedAt + (session ? this.lifetimeIn(session) : lifetime))
      .setJti(randomUUID())
      .sign(privateKey);
    return { access_token: token, token_type: 'bearer' };
  }
}
