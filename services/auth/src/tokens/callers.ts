import type { TokenClaims } from '@cl-server/contract';
import { unauthenticated } from '@cl-server/service-kit';
import type { UserRow } from '../database/tables.js';
import type { Sessions } from '../sessions/sessions.js';
import { permissionsOf } from '../users/user.js';
import type { UserRepository } from '../users/user-repository.js';
import { GUARD_MESSAGES } from './guard-messages.js';

/** Confirms the claims of a token against the current state of its user. */
export class Callers {
  readonly #users: UserRepository;
  readonly #sessions: Sessions;
  /** Each request has its own claims object, so a row lives as long as its request. */
  readonly #rows = new WeakMap<TokenClaims, UserRow>();

  constructor(users: UserRepository, sessions: Sessions) {
    this.#users = users;
    this.#sessions = sessions;
  }

  /**
   * Refuses users that do not exist any more, are inactive, or have another token generation, and tokens of sessions that
   * have ended.
   * @returns claims with the current rights of the user, not those in the token
   * @throws HttpError 401
   */
  readonly confirm = async (claims: TokenClaims): Promise<TokenClaims> => {
    const row = /^\d{1,15}$/.test(claims.id) ? await this.#users.byId(Number(claims.id)) : undefined;
    if (row?.is_active !== 1 || row.token_version !== claims.ver) throw unauthenticated(GUARD_MESSAGES.faults.invalid);
    if (claims.sid !== undefined && !(await this.#sessions.isActive(claims.sid, row.id)))
      throw unauthenticated(GUARD_MESSAGES.faults.invalid);
    const confirmed = {
      ...claims,
      username: row.username,
      is_admin: row.is_admin === 1,
      permissions: permissionsOf(row),
    };
    this.#rows.set(confirmed, row);
    return confirmed;
  };

  /** The user row with which the caller of a request was confirmed. @throws HttpError 401 */
  rowOf(user: TokenClaims | null): UserRow {
    const row = user ? this.#rows.get(user) : undefined;
    if (!row) throw unauthenticated(GUARD_MESSAGES.missing);
    return row;
  }
}
