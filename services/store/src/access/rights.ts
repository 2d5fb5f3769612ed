/** The identity of the caller of a request, and the permissions that routes check in addition to their guard. */
import { PERMISSIONS, type TokenClaims } from '@cl-server/contract';

export interface Rights {
  mayRead(user: TokenClaims | null): boolean;
  mayWrite(user: TokenClaims | null): boolean;
  mayCompute(user: TokenClaims | null): boolean;
}

/** @param trustsAll whether the service runs without authentication */
export function rightsOf(trustsAll: boolean): Rights {
  const has = (user: TokenClaims | null, permission: string): boolean =>
    trustsAll || user?.is_admin === true || user?.permissions.includes(permission) === true;
  return {
    mayRead: (user) => has(user, PERMISSIONS.storeRead),
    mayWrite: (user) => has(user, PERMISSIONS.storeWrite),
    mayCompute: (user) => has(user, PERMISSIONS.compute),
  };
}

/** The user that a change is recorded for; null if nobody is logged in. */
export type UserOf = (claims: TokenClaims | null) => string | null;

/** @param trustsAll whether the service runs without authentication */
export const userOf =
  (trustsAll: boolean): UserOf =>
  (claims) =>
    trustsAll ? null : (claims?.id ?? null);
