import path from 'node:path';
import type { StoredSession, TokenStore } from '@cl-server/client';
import { readJson, writeJson } from './private-file.js';

interface StoredLogin extends StoredSession {
  readonly authUrl: string;
}
type SessionFile = Readonly<Record<string, StoredLogin>>;

/**
 * Stores one session per profile in a file of mode 0600: tokens, never passwords. A token is used only with the auth service
 * that issued it, so that pointing the program at another address does not send the token there.
 */
export class FileTokenStore implements TokenStore {
  readonly #file: string;
  readonly #profile: string;
  readonly #authUrl: string;

  constructor(folder: string, profile: string, authUrl: string) {
    this.#file = path.join(folder, 'sessions.json');
    this.#profile = profile;
    this.#authUrl = authUrl;
  }

  async #all(): Promise<SessionFile> {
    return (await readJson<SessionFile>(this.#file)) ?? {};
  }

  async load(): Promise<StoredSession | undefined> {
    const login = (await this.#all())[this.#profile];
    return login?.authUrl === this.#authUrl ? login : undefined;
  }

  async save(session: StoredSession): Promise<void> {
    await writeJson(this.#file, { ...(await this.#all()), [this.#profile]: { ...session, authUrl: this.#authUrl } });
  }

  async clear(): Promise<void> {
    const { [this.#profile]: gone, ...rest } = await this.#all();
    if (gone) await writeJson(this.#file, rest);
  }
}
