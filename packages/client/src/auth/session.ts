import type { endSession, SessionTokens, User } from '@cl-server/contract';
import { ApiError, AuthenticationError, NotFoundError, NotLoggedInError } from '../errors.js';
import type { AuthClient } from './auth-client.js';
import { type AuthProvider, JWTAuthProvider } from './provider.js';
import { holdToken, shouldRefresh, tokenTimes } from './token.js';
import { MemoryTokenStore, type StoredSession, type TokenStore } from './token-store.js';

export interface Credentials {
  readonly username: string;
  readonly password: string;
}

export interface SessionOptions {
  readonly auth: AuthClient;
  /**
   * Keeps the session beyond the end of the program. `login` then starts a session on the server, which lasts for weeks.
   * Without a store, `login` gets a token that can be refreshed as long as it is valid.
   */
  readonly store?: TokenStore | undefined;
  /** The name by which the user recognizes the session in the list of sessions. */
  readonly device?: string | undefined;
  /** Asked when there is no session, or when it cannot be refreshed. Nothing is kept of the answer. */
  readonly credentials?: (() => Credentials | undefined | Promise<Credentials | undefined>) | undefined;
  /** Milliseconds since 1970. */
  readonly now?: (() => number) | undefined;
}

/**
 * A login that lasts: the token is refreshed before it expires, and once when a server refuses it, by one request however
 * many calls are waiting, also if several processes share the store. Hand it to the clients as their `auth`.
 *
 * ```
 * none ──login──▶ held ──near its end──▶ refreshing ──▶ held
 *   ▲               │                        │ refused
 *   └────logout─────┘                        ▼
 *   └──────── no credentials ──── asking for credentials ──▶ held
 * ```
 *
 * Without a session requests go out without a token: public endpoints answer, others say 401.
 *
 * @example
 * ```ts
 * const session = new SessionManager({ auth: new AuthClient({ baseUrl: 'http://localhost:8000' }) });
 * await session.login('admin', password);
 * const store = new StoreClient({ baseUrl: 'http://localhost:8001', auth: session });
 * ```
 */
export class SessionManager implements AuthProvider {
  readonly #auth: AuthClient;
  readonly #store: TokenStore;
  readonly #lasting: boolean;
  readonly #device: string | undefined;
  readonly #credentials: SessionOptions['credentials'];
  readonly #now: () => number;
  #held: StoredSession | undefined;
  #loaded: Promise<void> | undefined;
  #renewing: Promise<StoredSession | undefined> | undefined;
  #user: User | undefined;

  constructor({ auth, store, device, credentials, now = Date.now }: SessionOptions) {
    this.#auth = auth;
    this.#store = store ?? new MemoryTokenStore();
    this.#lasting = store !== undefined;
    this.#device = device;
    this.#credentials = credentials;
    this.#now = now;
  }

  /**
   * Logs in. A session that was held before ends.
   * @throws AuthenticationError for wrong credentials, RateLimitError after too many tries
   * @example
   * ```ts
   * const { permissions } = await session.login('ann', password);
   * ```
   */
  async login(username: string, password: string): Promise<User> {
    const session = await this.#logIn(username, password);
    await this.#exclusively(async () => {
      const replaced = await this.#store.load();
      if (replaced) await this.#endOnServer(replaced);
      await this.#hold(session);
    });
    return this.user();
  }

  /**
   * Takes over a token that came from elsewhere. If it belongs to the session that is held, the session continues with it.
   *
   * @example
   * ```ts
   * await session.adopt(token, 'ann');
   * ```
   */
  async adopt(accessToken: string, username = ''): Promise<void> {
    const id = tokenTimes(accessToken)?.sessionId;
    await this.#exclusively(async () => {
      const held = (await this.#store.load()) ?? this.#held;
      const session = id !== undefined && held?.sessionId === id ? held : {};
      await this.#hold({ ...session, username, ...holdToken(accessToken, this.#now()) });
    });
  }

  /**
   * Ends the session on the server, and forgets it here and in the token store.
   * @returns false if the server did not answer, so that its session lasts until it expires
   *
   * @example
   * ```ts
   * await session.logout();
   * ```
   */
  async logout(): Promise<boolean> {
    return this.#exclusively(async () => {
      const held = (await this.#store.load()) ?? this.#held;
      const ended = held === undefined || (await this.#endOnServer(held));
      await this.#forget();
      return ended;
    });
  }

  async #endOnServer(held: StoredSession): Promise<boolean> {
    const { sessionId: id, refreshToken } = held;
    if (id === undefined || refreshToken === undefined) return true;
    const end = (token: string): Promise<void> =>
      this.#auth.http.call<typeof endSession>({
        method: 'DELETE',
        path: '/auth/sessions/{session_id}',
        params: { session_id: id },
        auth: new JWTAuthProvider(token),
      });
    try {
      if (!shouldRefresh(held, this.#now()))
        try {
          await end(held.accessToken);
          return true;
        } catch (error) {
          if (!(error instanceof AuthenticationError)) throw error;
        }
      await end((await this.#auth.sessions.refresh(refreshToken)).access_token);
      return true;
    } catch (error) {
      // The session has ended already, or the server is away.
      return error instanceof AuthenticationError || error instanceof NotFoundError;
    }
  }

  async #forget(): Promise<void> {
    this.#held = undefined;
    this.#user = undefined;
    this.#loaded = Promise.resolve();
    await this.#store.clear();
  }

  /**
   * Whether there is a session, or there are credentials to make one with.
   *
   * @example
   * ```ts
   * if (!(await session.isAuthenticated())) await session.login('ann', password);
   * ```
   */
  async isAuthenticated(): Promise<boolean> {
    return (await this.#valid()) !== undefined;
  }

  /**
   * The user who is logged in; the service is asked once. @throws NotLoggedInError
   * @example
   * ```ts
   * const { username, is_admin } = await session.user();
   * ```
   */
  async user(): Promise<User> {
    if (!(await this.#valid())) throw new NotLoggedInError();
    this.#user ??= await this.#auth.users.me({ auth: this });
    return this.#user;
  }

  /**
   * A token that is good for a while. @throws NotLoggedInError
   * @example
   * ```ts
   * const headers = { authorization: `Bearer ${await session.getToken()}` };
   * ```
   */
  async getToken(): Promise<string> {
    const session = await this.#valid();
    if (!session) throw new NotLoggedInError();
    return session.accessToken;
  }

  /**
   * The bare token; undefined without a session.
   *
   * @example
   * ```ts
   * const bearer = (await session.token()) ?? 'none';
   * ```
   */
  async token(): Promise<string | undefined> {
    return (await this.#valid())?.accessToken;
  }

  /**
   * Headers for one request, after a refresh if the end is near; none without a session.
   *
   * @example
   * ```ts
   * const response = await fetch('http://localhost:8001/entities', { headers: await session.headers() });
   * ```
   */
  async headers(): Promise<Readonly<Record<string, string>>> {
    return header(await this.#valid());
  }

  /**
   * Gets another token for one that a server refused.
   * @returns whether there is another now
   *
   * @example
   * ```ts
   * const sent = await session.headers();
   * const { status } = await fetch('http://localhost:8001/entities', { headers: sent });
   * if (status === 401 && (await session.renew(sent))) console.log('worth another try');
   * ```
   */
  async renew(sent: Readonly<Record<string, string>>): Promise<boolean> {
    // Somebody was quicker: their token is the newer one.
    if (this.#held && header(this.#held).authorization !== sent.authorization) return true;
    return (await this.#renew()) !== undefined;
  }

  async #valid(): Promise<StoredSession | undefined> {
    this.#loaded ??= this.#store.load().then((session) => {
      this.#held ??= session;
    });
    await this.#loaded;
    if (this.#held && !shouldRefresh(this.#held, this.#now())) return this.#held;
    if (!this.#held && !this.#credentials) return undefined;
    return this.#renew();
  }

  #renew(): Promise<StoredSession | undefined> {
    this.#renewing ??= this.#exclusively(() => this.#obtain()).finally(() => {
      this.#renewing = undefined;
    });
    return this.#renewing;
  }

  /** A new token: for the old one, or for the credentials. */
  async #obtain(): Promise<StoredSession | undefined> {
    const old = await this.#newest();
    if (old) {
      if (old.accessToken !== this.#held?.accessToken && !shouldRefresh(old, this.#now())) {
        this.#held = old;
        return old;
      }
      try {
        return await this.#hold(await this.#refreshed(old));
      } catch (error) {
        const expired = old.expiresAt !== null && old.expiresAt <= this.#now();
        if (!(error instanceof AuthenticationError)) {
          // The auth service is away or failing, but the token is still good for a while.
          if (!expired && !(error instanceof ApiError && error.status < 500)) return old;
          throw error;
        }
      }
    }
    const credentials = await this.#credentials?.();
    if (!credentials) {
      if (old) await this.#forget();
      return undefined;
    }
    const { access_token } = await this.#auth.login(credentials.username, credentials.password);
    return this.#hold({ username: credentials.username, ...holdToken(access_token, this.#now()) });
  }

  /** The session that another process has saved, or the one that is held. A session that another process has ended is not held any more. */
  async #newest(): Promise<StoredSession | undefined> {
    const stored = await this.#store.load();
    if (stored === undefined && this.#held?.refreshToken !== undefined) this.#held = undefined;
    return stored ?? this.#held;
  }

  async #refreshed({ username, accessToken, refreshToken }: StoredSession): Promise<StoredSession> {
    if (refreshToken !== undefined) return this.#sessionOf(username, await this.#auth.sessions.refresh(refreshToken));
    const { access_token } = await this.#auth.refresh(accessToken);
    return { username, ...holdToken(access_token, this.#now()) };
  }

  async #logIn(username: string, password: string): Promise<StoredSession> {
    if (this.#lasting)
      try {
        const device = this.#device;
        return this.#sessionOf(username, await this.#auth.sessions.create({ username, password, device }));
      } catch (error) {
        // An auth service of an earlier release has no sessions.
        if (!(error instanceof NotFoundError)) throw error;
      }
    const { access_token } = await this.#auth.login(username, password);
    return { username, ...holdToken(access_token, this.#now()) };
  }

  #sessionOf(username: string, { access_token, refresh_token, session_id }: SessionTokens): StoredSession {
    const token = holdToken(access_token, this.#now());
    return { username, ...token, sessionId: session_id, refreshToken: refresh_token };
  }

  #exclusively<T>(work: () => Promise<T>): Promise<T> {
    return this.#store.exclusive ? this.#store.exclusive(work) : work();
  }

  async #hold(session: StoredSession): Promise<StoredSession> {
    this.#held = session;
    this.#loaded = Promise.resolve();
    if (this.#user?.username !== session.username) this.#user = undefined;
    await this.#store.save(session);
    return session;
  }
}

const header = (session: StoredSession | undefined): Readonly<Record<string, string>> =>
  session ? { authorization: `Bearer ${session.accessToken}` } : {};
