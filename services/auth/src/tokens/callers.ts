import type { TokenClaims } from '@cl-server/contract';
import { unauthenticated } from '@cl-server/service-kit';
import type { UserRow } from '../database/tables.js';
import { permissionsOf } from '../users/user.js';
import type { UserRepository } from '../users/user-repository.js';
import { GUARD_MESSAGES } from './guard-messages.js';

/** Who calls: verified claims, held against the user as it is now. */
export class Callers {
  readonly #users: UserRepository;
  /** Each request has claims of its own: the row lives as long as its request. */
  readonly #rows = new WeakMap<TokenClaims, UserRow>();

  constructor(users: UserRepository) {
    this.#users = users;
  }

  /**
   * Refuses a user who is gone, inactive or of another token generation.
   * @returns claims with the rights of the row, not of the token
   * @throws HttpError 401
   */
  readonly confirm = async (claims: TokenClaims): Promise<TokenClaims> => {
    const row = /^\d{1,15}$/.test(claims.id) ? await this.#users.byId(Number(claims.id)) : undefined;
    if (row?.is_active !== 1 || row.token_version !== claims.ver) throw unauthenticated(GUARD_MESSAGES.faults.invalid);
    const confirmed = {
      ...claims,
      username: row.username,
      is_admin: row.is_admin === 1,
      permissions: permissionsOf(row),
    };
    this.#rows.set(confirmed, row);
    return confirmed;
  };

  /** The row with which a request's caller was confirmed. @throws HttpError 401 */
  rowOf(user: TokenClaims | null): UserRow {
    const row = user ? this.#rows.get(user) : undefined;
    if (!row) throw unauthenticated(GUARD_MESSAGES.missing);
    return row;
  }
}
