import type {
  AccessToken,
  AuditAction,
  AuditEntry,
  getAuthRoot,
  getKeySet,
  getPlatformAddresses,
  getPublicKey,
  KeySet,
  listAudit,
  listRevocations,
  login,
  Output,
  PlatformAddresses,
  PublicKey,
  RevocationFeed,
  refreshToken,
} from '@cl-server/contract';
import { type CallOptions, HttpClient, type HttpClientOptions } from '../http/http-client.js';
import { byCursor } from '../http/pages.js';
import { SystemClient } from '../http/system-client.js';
import { JWTAuthProvider, NoAuthProvider } from './provider.js';
import { SessionsClient } from './sessions-client.js';
import { UsersClient } from './users-client.js';

export interface AuditFilters {
  readonly action?: AuditAction;
  /** Changes made by this user, or to this user. */
  readonly user_id?: number;
  readonly limit?: number;
}

/**
 * The auth service.
 *
 * @example
 * ```ts
 * const auth = new AuthClient({ baseUrl: 'http://localhost:8000' });
 * const { access_token } = await auth.login('admin', password);
 * ```
 */
export class AuthClient {
  readonly http: HttpClient;
  readonly users: UsersClient;
  readonly sessions: SessionsClient;
  readonly system: SystemClient<Output<typeof getAuthRoot>>;

  constructor(options: HttpClientOptions) {
    this.http = new HttpClient(options);
    this.users = new UsersClient(this.http);
    this.sessions = new SessionsClient(this.http);
    this.system = new SystemClient(this.http);
  }

  /**
   * A token for a name and a password.
   *
   * @example
   * ```ts
   * const { access_token } = await auth.login('ann', password);
   * ```
   */
  login(username: string, password: string, options?: CallOptions): Promise<AccessToken> {
    const auth = new NoAuthProvider();
    const form = { username, password };
    return this.http.call<typeof login>({ method: 'POST', path: '/auth/token', form, auth, idempotent: true }, options);
  }

  /**
   * A new token, with the rights that the user has now, for one that is still valid.
   *
   * @example
   * ```ts
   * const { access_token } = await auth.refresh(await session.getToken());
   * ```
   */
  refresh(token: string, options?: CallOptions): Promise<AccessToken> {
    const auth = new JWTAuthProvider(token);
    return this.http.call<typeof refreshToken>(
      { method: 'POST', path: '/auth/token/refresh', auth, idempotent: true },
      options,
    );
  }

  /**
   * The key that verifies tokens signed from now on.
   *
   * @example
   * ```ts
   * const { public_key } = await auth.publicKey();
   * ```
   */
  publicKey(options?: CallOptions): Promise<PublicKey> {
    return this.http.call<typeof getPublicKey>({ method: 'GET', path: '/auth/public-key' }, options);
  }

  /**
   * Every key whose tokens are still accepted.
   *
   * @example
   * ```ts
   * const { keys } = await auth.keySet();
   * ```
   */
  keySet(options?: CallOptions): Promise<KeySet> {
    return this.http.call<typeof getKeySet>({ method: 'GET', path: '/.well-known/jwks.json' }, options);
  }

  /**
   * The addresses of all services, as the server gives them to clients; `discover` makes URLs of them.
   *
   * @example
   * ```ts
   * const { store } = await auth.addresses();
   * ```
   */
  addresses(options?: CallOptions): Promise<PlatformAddresses> {
    return this.http.call<typeof getPlatformAddresses>({ method: 'GET', path: '/.well-known/cl-server' }, options);
  }

  /**
   * Users whose older tokens died, since a position in the feed. For the services' own credential only.
   *
   * @example
   * ```ts
   * const feed = await auth.revocations();
   * ```
   */
  revocations(since = 0, options?: CallOptions): Promise<RevocationFeed> {
    return this.http.call<typeof listRevocations>(
      { method: 'GET', path: '/auth/revocations', query: { since } },
      options,
    );
  }

  /**
   * Security-relevant changes, the newest first; the pages are fetched on the way.
   *
   * @example
   * ```ts
   * for await (const { action, actor } of auth.audit()) console.log(action, actor);
   * ```
   */
  audit(filters: AuditFilters = {}, options?: CallOptions): AsyncGenerator<AuditEntry> {
    return byCursor((cursor) =>
      this.http.call<typeof listAudit>({ method: 'GET', path: '/audit', query: { ...filters, cursor } }, options),
    );
  }
}
