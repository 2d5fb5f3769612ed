/** Auth: users, passwords, tokens and the audit log. */

export { AUDIT_ACTIONS, type AuditAction, type AuditEntry, auditEntry, auditPage, auditQuery } from './audit.js';
export {
  givenPassword,
  MAX_PASSWORD_BYTES,
  MIN_PASSWORD_LENGTH,
  newPassword,
  passwordFault,
  usernameField,
} from './credentials.js';
export {
  type PlatformAddress,
  type PlatformAddresses,
  platformAddress,
  platformAddresses,
} from './discovery.js';
export {
  AUTH_API,
  authEndpoints,
  changePassword,
  createSession,
  createUser,
  deleteUser,
  endSession,
  endSessions,
  getAuthRoot,
  getCurrentUser,
  getKeySet,
  getPlatformAddresses,
  getPublicKey,
  getUser,
  listAudit,
  listRevocations,
  listSessions,
  listUsers,
  login,
  patchUser,
  refreshSession,
  refreshToken,
  updateUser,
} from './endpoints.js';
export {
  type AccessToken,
  accessToken,
  type KeySet,
  keySet,
  loginForm,
  type PublicKey,
  passwordChange,
  publicKey,
} from './logins.js';
export { permissionList } from './permissions.js';
export type { Session, SessionList, SessionTokens } from './sessions.js';
export {
  type Revocation,
  type RevocationFeed,
  revocation,
  revocationFeed,
  type TokenClaims,
  tokenClaims,
} from './token.js';
export { newUser, type User, user, userChange, userId, userQuery } from './users.js';
