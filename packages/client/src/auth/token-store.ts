import type { HeldToken } from './token.js';

/** A session as it is kept: tokens, never a password. */
export interface StoredSession extends HeldToken {
  readonly username: string;
  /** Absent if the token belongs to no session of the server. */
  readonly sessionId?: string | undefined;
  /** The token for the next refresh of the session. It is valid once. */
  readonly refreshToken?: string | undefined;
}

/** A place that keeps a session, in memory or beyond the end of the program. */
export interface TokenStore {
  /** The session that was saved last, if it was not cleared. */
  load(): Promise<StoredSession | undefined>;
  /** Called with every new token. */
  save(session: StoredSession): Promise<void>;
  /** Called at logout, and when a session is over. */
  clear(): Promise<void>;
  /**
   * Runs work while no other user of the same store runs any. A store that several processes share must have it, because
   * the second use of a refresh token ends the session.
   */
  exclusive?<T>(work: () => Promise<T>): Promise<T>;
}

/** Forgets everything with the program. */
export class MemoryTokenStore implements TokenStore {
  #session: StoredSession | undefined;

  /**
   * The session, while the program runs.
   *
   * @example
   * ```ts
   * const held = await new sdk.MemoryTokenStore().load();
   * ```
   */
  async load(): Promise<StoredSession | undefined> {
    return this.#session;
  }

  /**
   * Takes the place of the one before.
   *
   * @example
   * ```ts
   * const store = new sdk.MemoryTokenStore();
   * await store.save({ username: 'ann', accessToken: token, expiresAt: null, lifetime: null });
   * ```
   */
  async save(session: StoredSession): Promise<void> {
    this.#session = session;
  }

  /**
   * Forgets it.
   *
   * @example
   * ```ts
   * await new sdk.MemoryTokenStore().clear();
   * ```
   */
  async clear(): Promise<void> {
    this.#session = undefined;
  }
}
