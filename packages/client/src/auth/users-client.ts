import type {
  AccessToken,
  changePassword,
  createUser,
  deleteUser,
  getCurrentUser,
  getUser,
  listUsers,
  User,
  updateUser,
} from '@cl-server/contract';
import type { CallOptions, HttpClient } from '../http/http-client.js';
import type { AuthProvider } from './provider.js';

export interface NewUser {
  readonly username: string;
  readonly password: string;
  readonly is_admin?: boolean;
  readonly is_active?: boolean;
  readonly permissions?: readonly string[];
}

/** Fields that are left out stay as they are; an empty list removes all permissions. */
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

  /**
   * The user whose token this is.
   *
   * @example
   * ```ts
   * const { permissions } = await auth.users.me();
   * ```
   */
  me({ auth, ...options }: CallOptions & { readonly auth?: AuthProvider } = {}): Promise<User> {
    return this.#http.call<typeof getCurrentUser>({ method: 'GET', path: '/users/me', ...(auth && { auth }) }, options);
  }

  /**
   * Changes one's own password. Every older token dies; the answer holds a new one.
   *
   * @example
   * ```ts
   * await auth.users.changePassword(password, 'a better one');
   * ```
   */
  changePassword(current: string, next: string, options?: CallOptions): Promise<AccessToken> {
    const form = { current_password: current, new_password: next };
    return this.#http.call<typeof changePassword>({ method: 'PUT', path: '/users/me/password', form }, options);
  }

  /**
   * @example
   * ```ts
   * const { id } = await auth.users.create({ username: 'ann', password, permissions: ['media_store_write'] });
   * ```
   */
  create(user: NewUser, options?: CallOptions): Promise<User> {
    return this.#http.call<typeof createUser>({ method: 'POST', path: '/users', form: { ...user } }, options);
  }

  /**
   * One page, the oldest user first.
   *
   * @example
   * ```ts
   * const users = await auth.users.page({ skip: 100, limit: 100 });
   * ```
   */
  page(query: { readonly skip?: number; readonly limit?: number } = {}, options?: CallOptions): Promise<User[]> {
    return this.#http.call<typeof listUsers>({ method: 'GET', path: '/users', query }, options);
  }

  /**
   * All users, the oldest first.
   *
   * @example
   * ```ts
   * for await (const { username } of auth.users.list()) console.log(username);
   * ```
   */
  async *list(options?: CallOptions): AsyncGenerator<User> {
    for (let skip = 0; ; skip += PAGE) {
      const users = await this.page({ skip, limit: PAGE }, options);
      yield* users;
      if (users.length < PAGE) return;
    }
  }

  /**
   * The user of a name, or undefined.
   *
   * @example
   * ```ts
   * const ann = await auth.users.find('ann');
   * ```
   */
  async find(username: string, options?: CallOptions): Promise<User | undefined> {
    const found = await this.#http.call<typeof listUsers>(
      { method: 'GET', path: '/users', query: { username } },
      options,
    );
    return found.find((user) => user.username === username.normalize('NFC'));
  }

  /**
   * @example
   * ```ts
   * const user = await auth.users.get(2);
   * ```
   */
  get(userId: number, options?: CallOptions): Promise<User> {
    return this.#http.call<typeof getUser>(
      { method: 'GET', path: '/users/{user_id}', params: { user_id: userId } },
      options,
    );
  }

  /**
   * @example
   * ```ts
   * await auth.users.update(2, { is_active: false });
   * ```
   */
  update(userId: number, change: UserChange, options?: CallOptions): Promise<User> {
    // An empty list must be a present, empty field; `[]` as JSON would do as well, but older servers read it as a name.
    const permissions = change.permissions?.length === 0 ? '' : change.permissions;
    return this.#http.call<typeof updateUser>(
      {
        method: 'PUT',
        path: '/users/{user_id}',
        params: { user_id: userId },
        form: { ...change, permissions },
        idempotent: true,
      },
      options,
    );
  }

  /**
   * @example
   * ```ts
   * await auth.users.delete(2);
   * ```
   */
  async delete(userId: number, options?: CallOptions): Promise<void> {
    await this.#http.call<typeof deleteUser>(
      { method: 'DELETE', path: '/users/{user_id}', params: { user_id: userId } },
      options,
    );
  }
}
