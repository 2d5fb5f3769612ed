import type { AccessToken, User } from '@cl-server/contract';
import { type CallOptions, type HttpClient, path } from '../http/http-client.js';
import type { AuthProvider } from './provider.js';

export interface NewUser {
  readonly username: string;
  readonly password: string;
  readonly is_admin?: boolean;
  readonly is_active?: boolean;
  readonly permissions?: readonly string[];
}

/** What is left out stays as it is; an empty list takes all permissions away. */
export interface UserChange {
  readonly password?: string | undefined;
  readonly is_admin?: boolean | undefined;
  readonly is_active?: boolean | undefined;
  readonly permissions?: readonly string[] | undefined;
}

const PAGE = 200;

/** Users; all but `me` and `changePassword` are for admins. */
export class UsersClient {
  readonly #http: HttpClient;

  constructor(http: HttpClient) {
    this.#http = http;
  }

  /** The user whose token this is. */
  me({ auth, ...options }: CallOptions & { readonly auth?: AuthProvider } = {}): Promise<User> {
    return this.#http.json({ method: 'GET', path: '/users/me', ...(auth && { auth }) }, options);
  }

  /** Changes one's own password. Every older token dies; the answer holds a new one. */
  changePassword(current: string, next: string, options?: CallOptions): Promise<AccessToken> {
    const form = { current_password: current, new_password: next };
    return this.#http.json({ method: 'PUT', path: '/users/me/password', form }, options);
  }

  create(user: NewUser, options?: CallOptions): Promise<User> {
    return this.#http.json({ method: 'POST', path: '/users/', form: { ...user } }, options);
  }

  /** One page, the oldest user first. */
  page(query: { readonly skip?: number; readonly limit?: number } = {}, options?: CallOptions): Promise<User[]> {
    return this.#http.json({ method: 'GET', path: '/users/', query }, options);
  }

  /** All users, the oldest first. */
  async *list(options?: CallOptions): AsyncGenerator<User> {
    for (let skip = 0; ; skip += PAGE) {
      const users = await this.page({ skip, limit: PAGE }, options);
      yield* users;
      if (users.length < PAGE) return;
    }
  }

  /** The user of a name, or undefined. */
  async find(username: string, options?: CallOptions): Promise<User | undefined> {
    const found = await this.#http.json<User[]>({ method: 'GET', path: '/users/', query: { username } }, options);
    return found.find((user) => user.username === username.normalize('NFC'));
  }

  get(userId: number, options?: CallOptions): Promise<User> {
    return this.#http.json({ method: 'GET', path: path`/users/${userId}` }, options);
  }

  update(userId: number, change: UserChange, options?: CallOptions): Promise<User> {
    // An empty list must be a present, empty field; `[]` as JSON would do as well, but older servers read it as a name.
    const permissions = change.permissions?.length === 0 ? '' : change.permissions;
    return this.#http.json(
      { method: 'PUT', path: path`/users/${userId}`, form: { ...change, permissions }, idempotent: true },
      options,
    );
  }

  async delete(userId: number, options?: CallOptions): Promise<void> {
    await this.#http.json({ method: 'DELETE', path: path`/users/${userId}` }, options);
  }
}
