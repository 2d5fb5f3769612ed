import path from 'node:path';
import type { StoredSession, TokenStore } from '@cl-server/client';
import { readJson, writeJson } from './private-file.js';

/** A login, or the record of one that is over: only its name and the service that ended it. */
interface StoredLogin extends StoredSession {
  readonly authUrl: string;
}
interface EndedLogin {
  readonly username: string;
  readonly authUrl: string;
  readonly ended: true;
}
type SessionFile = Readonly<Record<string, StoredLogin | EndedLogin>>;

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

  async #login(): Promise<StoredLogin | EndedLogin | undefined> {
    const login = (await this.#all())[this.#profile];
    return login?.authUrl === this.#authUrl ? login : undefined;
  }

  async load(): Promise<StoredSession | undefined> {
    const login = await this.#login();
    return login && !('ended' in login) ? login : undefined;
  }

  /** The user whose session is over, because it expired or was revoked. */
  async endedUser(): Promise<string | undefined> {
    const login = await this.#login();
    return login && 'ended' in login ? login.username : undefined;
  }

  async save(session: StoredSession): Promise<void> {
    await writeJson(this.#file, { ...(await this.#all()), [this.#profile]: { ...session, authUrl: this.#authUrl } });
  }

  /** Deletes the token and remembers that there was one, so that the user learns why a login is needed. */
  async clear(): Promise<void> {
    const login = await this.#login();
    if (!login) return;
    const ended: EndedLogin = { username: login.username, authUrl: login.authUrl, ended: true };
    await writeJson(this.#file, { ...(await this.#all()), [this.#profile]: ended });
  }

  /** Deletes everything about the login: the user has logged out. */
  async forget(): Promise<void> {
    const { [this.#profile]: gone, ...rest } = await this.#all();
    if (gone) await writeJson(this.#file, rest);
  }
}
