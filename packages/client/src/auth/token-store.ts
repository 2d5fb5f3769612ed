import type { HeldToken } from './token.js';

/** A session as it is kept: a token, never a password. */
export interface StoredSession extends HeldToken {
  readonly username: string;
}

/** A place that keeps a session, in memory or beyond the end of the program. */
export interface TokenStore {
  /** The session that was saved last, if it was not cleared. */
  load(): Promise<StoredSession | undefined>;
  /** Called with every new token. */
  save(session: StoredSession): Promise<void>;
  /** Called at logout, and when a session is over. */
  clear(): Promise<void>;
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
