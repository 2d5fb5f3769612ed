/** The endpoint table of the auth service. */
import { z } from 'zod';
import { type AnyEndpoint, endpoint } from '../http/endpoint.js';
import { field } from '../http/field.js';
import type { ApiInfo } from '../http/openapi.js';
import { auditPage, auditQuery } from './audit.js';
import { platformAddresses } from './discovery.js';
import { accessToken, keySet, loginForm, passwordChange, publicKey } from './logins.js';
import { newSession, sessionId, sessionList, sessionRefresh, sessionsToEnd, sessionTokens } from './sessions.js';
import { revocationFeed } from './token.js';
import { newUser, user, userChange, userId, userQuery } from './users.js';

export const AUTH_API: ApiInfo = {
  title: 'CL Server: auth',
  version: '0.1.0',
  description: 'Users, permissions and the access tokens that the other services accept.',
};

const LOCKED = { description: 'Too many failed attempts; retry after the time in `Retry-After`' };
const BUSY = { description: 'Too many passwords are waiting to be checked; retry after the time in `Retry-After`' };
const NO_USER = { description: 'User not found' };
const LAST_ADMIN = { description: 'The last active admin cannot be removed or demoted' };

export const getAuthRoot = endpoint({
  id: 'root_get',
  method: 'GET',
  path: '/',
  guard: 'public',
  tag: 'system',
  summary: 'Health check',
  responses: { 200: { description: 'Healthy', schema: z.object({ message: z.string() }) } },
});

export const login = endpoint({
  id: 'login_for_access_token',
  method: 'POST',
  path: '/auth/token',
  guard: 'public',
  tag: 'auth',
  summary: 'Log in: get a token for a user name and a password',
  form: loginForm,
  maxBody: 16_384,
  responses: {
    200: { description: 'A token', schema: accessToken },
    401: { description: 'Incorrect username or password' },
    429: LOCKED,
    503: BUSY,
  },
});

export const refreshToken = endpoint({
  id: 'refresh_access_token',
  method: 'POST',
  path: '/auth/token/refresh',
  guard: 'user',
  tag: 'auth',
  summary: 'Exchange a valid token for a new one that has the user’s current permissions',
  responses: { 200: { description: 'A token', schema: accessToken } },
});

export const createSession = endpoint({
  id: 'create_session',
  method: 'POST',
  path: '/auth/sessions',
  guard: 'public',
  tag: 'auth',
  summary: 'Log in for long: start a session with an access token and a refresh token',
  json: newSession,
  maxBody: 16_384,
  responses: {
    201: { description: 'The tokens of the session', schema: sessionTokens },
    401: { description: 'Incorrect username or password' },
    429: LOCKED,
    503: BUSY,
  },
});

export const refreshSession = endpoint({
  id: 'refresh_session',
  method: 'POST',
  path: '/auth/sessions/refresh',
  guard: 'public',
  tag: 'auth',
  summary: 'Exchange a refresh token for new tokens. A refresh token that was used before ends its session',
  json: sessionRefresh,
  maxBody: 4_096,
  responses: {
    200: { description: 'The new tokens of the session', schema: sessionTokens },
    401: { description: 'The refresh token is not valid, was used before, or its session has ended' },
    429: { description: 'Too many refreshes; retry after the time in `Retry-After`' },
  },
});

export const listSessions = endpoint({
  id: 'list_sessions',
  method: 'GET',
  path: '/auth/sessions',
  guard: 'user',
  tag: 'auth',
  summary: 'List your own sessions, the last used first',
  responses: { 200: { description: 'The sessions', schema: sessionList } },
});

export const endSession = endpoint({
  id: 'end_session',
  method: 'DELETE',
  path: '/auth/sessions/{session_id}',
  guard: 'user',
  tag: 'auth',
  summary: 'End one of your own sessions; its access tokens become invalid within 5 s',
  params: sessionId,
  responses: { 204: { description: 'Ended' }, 404: { description: 'Session not found' } },
});

export const endSessions = endpoint({
  id: 'end_sessions',
  method: 'DELETE',
  path: '/auth/sessions',
  guard: 'user',
  tag: 'auth',
  summary: 'End all your own sessions, or all except the current one',
  query: sessionsToEnd,
  responses: { 204: { description: 'Ended' } },
});

export const getPublicKey = endpoint({
  id: 'get_public_key',
  method: 'GET',
  path: '/auth/public-key',
  guard: 'public',
  isVital: true,
  tag: 'auth',
  summary: 'The public key that verifies new tokens',
  responses: { 200: { description: 'The key', schema: publicKey } },
});

export const getKeySet = endpoint({
  id: 'get_key_set',
  method: 'GET',
  path: '/.well-known/jwks.json',
  guard: 'public',
  isVital: true,
  tag: 'auth',
  summary: 'All public keys whose tokens are accepted, by `kid`',
  responses: { 200: { description: 'The keys', schema: keySet } },
});

export const getPlatformAddresses = endpoint({
  id: 'get_platform_addresses',
  method: 'GET',
  path: '/.well-known/cl-server',
  guard: 'public',
  tag: 'system',
  summary: 'The addresses of all services, so that a client needs only this one',
  responses: { 200: { description: 'The addresses', schema: platformAddresses } },
});

export const listRevocations = endpoint({
  id: 'list_revocations',
  method: 'GET',
  path: '/auth/revocations',
  guard: 'service',
  isVital: true,
  tag: 'auth',
  summary:
    'Users whose older tokens were revoked and sessions that ended, from a position on; used by the other services',
  query: z.object({
    since: field.int({ ge: 0 }).default(0).describe('`last_seq` of the previous answer'),
    ended_since: field.int({ ge: 0 }).default(0).describe('`last_ended_seq` of the previous answer'),
  }),
  responses: { 200: { description: 'The feed', schema: revocationFeed } },
});

export const getCurrentUser = endpoint({
  id: 'read_users_me',
  method: 'GET',
  path: '/users/me',
  guard: 'user',
  tag: 'users',
  summary: 'The user that the token belongs to',
  responses: { 200: { description: 'The user', schema: user } },
});

export const changePassword = endpoint({
  id: 'change_password',
  method: 'PUT',
  path: '/users/me/password',
  guard: 'user',
  tag: 'users',
  summary: 'Change your own password. All older tokens and all other sessions end; the answer contains a new token',
  form: passwordChange,
  maxBody: 16_384,
  responses: {
    200: { description: 'A token', schema: accessToken },
    400: { description: 'The current password is wrong' },
    429: LOCKED,
    503: BUSY,
  },
});

export const createUser = endpoint({
  id: 'create_user',
  method: 'POST',
  path: '/users',
  guard: 'admin',
  tag: 'users',
  summary: 'Add a user',
  form: newUser,
  responses: {
    201: { description: 'The user', schema: user },
    400: { description: 'Username already registered' },
    503: BUSY,
  },
});

export const listUsers = endpoint({
  id: 'read_users',
  method: 'GET',
  path: '/users',
  guard: 'admin',
  tag: 'users',
  summary: 'List users, the oldest first',
  query: userQuery,
  responses: { 200: { description: 'The users', schema: z.array(user) } },
});

export const getUser = endpoint({
  id: 'read_user',
  method: 'GET',
  path: '/users/{user_id}',
  guard: 'admin',
  tag: 'users',
  summary: 'Get one user',
  params: userId,
  responses: { 200: { description: 'The user', schema: user }, 404: NO_USER },
});

const change = {
  path: '/users/{user_id}',
  guard: 'admin',
  tag: 'users',
  params: userId,
  form: userChange,
  responses: { 200: { description: 'The user', schema: user }, 404: NO_USER, 409: LAST_ADMIN, 503: BUSY },
} as const;

export const updateUser = endpoint({
  ...change,
  id: 'update_user',
  method: 'PUT',
  summary: 'Change a user. Fields that are not sent stay; an empty `permissions` removes all permissions',
});

export const patchUser = endpoint({ ...change, id: 'patch_user', method: 'PATCH', summary: 'The same as PUT' });

export const deleteUser = endpoint({
  id: 'delete_user',
  method: 'DELETE',
  path: '/users/{user_id}',
  guard: 'admin',
  tag: 'users',
  summary: 'Delete a user; the id is never used again',
  params: userId,
  responses: { 204: { description: 'Removed' }, 404: NO_USER, 409: LAST_ADMIN },
});

export const listAudit = endpoint({
  id: 'list_audit',
  method: 'GET',
  path: '/audit',
  guard: 'admin',
  tag: 'audit',
  summary: 'List security-relevant changes, the newest first',
  query: auditQuery,
  responses: { 200: { description: 'A page', schema: auditPage } },
});

export const authEndpoints: readonly AnyEndpoint[] = [
  getAuthRoot,
  login,
  refreshToken,
  createSession,
  refreshSession,
  listSessions,
  endSession,
  endSessions,
  getPublicKey,
  getKeySet,
  getPlatformAddresses,
  listRevocations,
  getCurrentUser,
  changePassword,
  createUser,
  listUsers,
  getUser,
  updateUser,
  patchUser,
  deleteUser,
  listAudit,
];
