import type {
  createSession,
  endSession,
  endSessions,
  listSessions,
  refreshSession,
  Session,
  SessionTokens,
} from '@cl-server/contract';
import type { CallOptions, HttpClient } from '../http/http-client.js';
import { NoAuthProvider } from './provider.js';

export interface NewSession {
  readonly username: string;
  readonly password: string;
  /** A name by which the user recognizes the session in the list; default: the user agent. */
  readonly device?: string | undefined;
}

/** Sessions: logins that last. Their refresh tokens are replaced at each use. */
export class SessionsClient {
  readonly #http: HttpClient;

  constructor(http: HttpClient) {
    this.#http = http;
  }

  /**
   * Starts a session.
   *
   * @example
   * ```ts
   * const { access_token, refresh_token } = await auth.sessions.create({ username: 'ann', password, device: 'phone' });
   * ```
   */
  create({ username, password, device }: NewSession, options?: CallOptions): Promise<SessionTokens> {
    return this.#http.call<typeof createSession>(
      { method: 'POST', path: '/auth/sessions', json: { username, password, device }, auth: new NoAuthProvider() },
      options,
    );
  }

  /**
   * Exchanges a refresh token for new tokens. It is never sent a second time by itself: a refresh token that was used
   * before ends its session.
   *
   * @example
   * ```ts
   * const { refresh_token } = await auth.sessions.create({ username: 'ann', password });
   * const { access_token } = await auth.sessions.refresh(refresh_token);
   * ```
   */
  refresh(refreshToken: string, options?: CallOptions): Promise<SessionTokens> {
    return this.#http.call<typeof refreshSession>(
      {
        method: 'POST',
        path: '/auth/sessions/refresh',
        json: { refresh_token: refreshToken },
        auth: new NoAuthProvider(),
      },
      options,
    );
  }

  /**
   * One's own sessions, the last used first.
   *
   * @example
   * ```ts
   * for (const { device, address, current } of await auth.sessions.list()) console.log(device, address, current);
   * ```
   */
  async list(options?: CallOptions): Promise<Session[]> {
    const { items } = await this.#http.call<typeof listSessions>({ method: 'GET', path: '/auth/sessions' }, options);
    return items;
  }

  /**
   * Ends one of one's own sessions. Its access tokens become invalid within 5 s.
   *
   * @example
   * ```ts
   * const [session] = await auth.sessions.list();
   * if (session) await auth.sessions.end(session.id);
   * ```
   */
  async end(sessionId: string, options?: CallOptions): Promise<void> {
    await this.#http.call<typeof endSession>(
      { method: 'DELETE', path: '/auth/sessions/{session_id}', params: { session_id: sessionId } },
      options,
    );
  }

  /**
   * Ends all of one's own sessions, or all except the one whose token is sent.
   *
   * @example
   * ```ts
   * await auth.sessions.endAll({ keepCurrent: true });
   * ```
   */
  async endAll({ keepCurrent = false }: { readonly keepCurrent?: boolean } = {}, options?: CallOptions): Promise<void> {
    await this.#http.call<typeof endSessions>(
      { method: 'DELETE', path: '/auth/sessions', query: { keep_current: keepCurrent } },
      options,
    );
  }
}
