import type { HeldToken } from './token.js';

/** A session as it is kept: a token, never a password. */
export interface StoredSession extends HeldToken {
  readonly username: string;
}

/** Where a session outlives the program, or does not. */
export interface TokenStore {
  load(): Promise<StoredSession | undefined>;
  save(session: StoredSession): Promise<void>;
  clear(): Promise<void>;
}

/** Forgets everything with the program. */
export class MemoryTokenStore implements TokenStore {
  #session: StoredSession | undefined;

  async load(): Promise<StoredSession | undefined> {
    return this.#session;
  }

  async save(session: StoredSession): Promise<void> {
    this.#session = session;
  }

  async clear(): Promise<void> {
    this.#session = undefined;
  }
}
