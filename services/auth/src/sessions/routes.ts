import {
  createSession,
  endSession,
  endSessions,
  listSessions,
  refreshSession,
  type SessionTokens,
} from '@cl-server/contract';
import { type App, notFound, unauthenticated } from '@cl-server/service-kit';
import type { FastifyRequest } from 'fastify';
import type { Login } from '../login/login.js';
import type { ClientOf } from '../login/login-client.js';
import { networkOf } from '../login/network.js';
import type { Callers } from '../tokens/callers.js';
import type { TokenIssuer } from '../tokens/token-issuer.js';
import { actorOf } from '../users/routes.js';
import type { RefreshLimits } from './refresh-limits.js';
import type { OpenedSession, Sessions } from './sessions.js';

export interface SessionRoutesOptions {
  readonly callers: Callers;
  readonly login: Login;
  readonly clientOf: ClientOf;
  readonly issuer: TokenIssuer;
  readonly sessions: Sessions;
  readonly limits: RefreshLimits;
}

const MAX_DEVICE_LENGTH = 100;
const WRONG_LOGIN = 'Incorrect username or password';

/** The name of a device that did not give one. */
const agentOf = ({ headers }: FastifyRequest): string =>
  (headers['user-agent'] ?? '').replace(/\p{C}/gu, '').slice(0, MAX_DEVICE_LENGTH).trim() || 'unknown';

export function serveSessions(app: App, options: SessionRoutesOptions): void {
  const { callers, login, clientOf, issuer, sessions, limits } = options;

  const tokensOf = async (opened: OpenedSession): Promise<SessionTokens> => ({
    ...(await issuer.issue(opened.user, opened)),
    expires_in: issuer.lifetimeIn(opened),
    refresh_token: opened.refreshToken,
    session_id: opened.id,
    session_expires_at: opened.expiresAt,
  });

  app.handle(createSession, async ({ json, request, reply }) => {
    const row = await login.check(json, await clientOf(request, reply));
    const opened =
      row && (await sessions.create(row, { device: json.device || agentOf(request), address: request.ip }));
    if (!opened) throw unauthenticated(WRONG_LOGIN);
    reply.header('cache-control', 'no-store');
    return tokensOf(opened);
  });

  app.handle(refreshSession, async ({ json, request, reply }) => {
    const attempt = limits.begin(networkOf(request.ip));
    const result = await sessions.refresh(json.refresh_token, request.ip, (sessionId) => {
      attempt.accepted();
      limits.count(sessionId);
    });
    if (typeof result === 'string') throw unauthenticated('The session has ended: log in again');
    reply.header('cache-control', 'no-store');
    return tokensOf(result);
  });

  app.handle(listSessions, async ({ user }) => {
    const rows = await sessions.list(callers.rowOf(user).id);
    const items = rows.map((row) => ({
      id: row.id,
      device: row.device,
      address: row.address,
      created_at: row.created_at,
      last_used_at: row.last_used_at,
      expires_at: sessions.expiryOf(row),
      current: row.id === user?.sid,
    }));
    return { items, next_cursor: null, total: items.length };
  });

  app.handle(endSession, async ({ params, user, request }) => {
    const ended = await sessions.end(callers.rowOf(user), { id: params.session_id }, actorOf(user, request));
    if (ended === 0) throw notFound('Session not found');
  });

  app.handle(endSessions, async ({ query, user, request }) => {
    const except = query.keep_current ? user?.sid : undefined;
    await sessions.end(callers.rowOf(user), { except }, actorOf(user, request));
  });
}
