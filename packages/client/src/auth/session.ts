import type { User } from '@cl-server/contract';
import { ApiError, AuthenticationError, NotLoggedInError } from '../errors.js';
import type { AuthClient } from './auth-client.js';
import type { AuthProvider } from './provider.js';
import { holdToken, shouldRefresh } from './token.js';
import { MemoryTokenStore, type StoredSession, type TokenStore } from './token-store.js';

export interface Credentials {
  readonly username: string;
  readonly password: string;
}

export interface SessionOptions {
  readonly auth: AuthClient;
  /** Default: in memory. */
  readonly store?: TokenStore | undefined;
  /** Asked when there is no session, or when it cannot be refreshed. Nothing is kept of the answer. */
  readonly credentials?: (() => Credentials | undefined | Promise<Credentials | undefined>) | undefined;
  /** Milliseconds since 1970. */
  readonly now?: (() => number) | undefined;
}

/**
 * A login that lasts: the token is refreshed before it expires, and once when a server refuses it, by one request however
 * many calls are waiting. Hand it to the clients as their `auth`.
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
  readonly #credentials: SessionOptions['credentials'];
  readonly #now: () => number;
  #held: StoredSession | undefined;
  #loaded: Promise<void> | undefined;
  #renewing: Promise<StoredSession | undefined> | undefined;
  #user: User | undefined;

  constructor({ auth, store, credentials, now = Date.now }: SessionOptions) {
    this.#auth = auth;
    this.#store = store ?? new MemoryTokenStore();
    this.#credentials = credentials;
    this.#now = now;
  }

  /**
   * @throws AuthenticationError for wrong credentials, RateLimitError after too many tries
   * @example
   * ```ts
   * const { permissions } = await session.login('ann', password);
   * ```
   */
  async login(username: string, password: string): Promise<User> {
    const { access_token } = await this.#auth.login(username, password);
    await this.#hold({ username, ...holdToken(access_token, this.#now()) });
    return this.user();
  }

  /**
   * Takes over a token that came from elsewhere.
   *
   * @example
   * ```ts
   * await session.adopt(token, 'ann');
   * ```
   */
  async adopt(accessToken: string, username = ''): Promise<void> {
    await this.#hold({ username, ...holdToken(accessToken, this.#now()) });
  }

  /**
   * Forgets the session, here and in the token store.
   *
   * @example
   * ```ts
   * await session.logout();
   * ```
   */
  async logout(): Promise<void> {
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
    this.#renewing ??= this.#obtain().finally(() => {
      this.#renewing = undefined;
    });
    return this.#renewing;
  }

  /** A new token: for the old one, or for the credentials. */
  async #obtain(): Promise<StoredSession | undefined> {
    const old = this.#held;
    if (old) {
      try {
        const { access_token } = await this.#auth.refresh(old.accessToken);
        return await this.#hold({ username: old.username, ...holdToken(access_token, this.#now()) });
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
      if (old) await this.logout();
      return undefined;
    }
    const { access_token } = await this.#auth.login(credentials.username, credentials.password);
    return this.#hold({ username: credentials.username, ...holdToken(access_token, this.#now()) });
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
