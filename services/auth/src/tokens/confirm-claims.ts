import type { TokenClaims } from '@cl-server/contract';
import { AUTH_TEXTS, unauthenticated } from '@cl-server/runtime';
import { permissionsOf } from '../users/user.js';
import type { UserRepository } from '../users/user-repository.js';

/**
 * Holds verified claims against the user as it is now: gone, inactive or of another generation is refused, and rights are
 * the row's, not the token's.
 */
export const confirmClaims =
  (users: UserRepository) =>
  async (claims: TokenClaims): Promise<TokenClaims> => {
    const row = /^\d{1,15}$/.test(claims.id) ? await users.byId(Number(claims.id)) : undefined;
    if (row?.is_active !== 1 || row.token_version !== claims.ver) throw unauthenticated(AUTH_TEXTS.faults.invalid);
    return { ...claims, username: row.username, is_admin: row.is_admin === 1, permissions: permissionsOf(row) };
  };
