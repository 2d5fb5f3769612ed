import path from 'node:path';
import type { StoredSession, TokenStore } from '@cl-server/client';
import { withLock } from '@cl-server/kit';
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
 * that issued it, so that pointing the program at another address does not send the token there. Programs that run at the same
 * time share the file: each change is made under a lock, and so is a refresh as a whole.
 */
export class FileTokenStore implements TokenStore {
  readonly #file: string;
  readonly #profile: string;
  readonly #authUrl: string;
  readonly #signal: AbortSignal;
  #locked = false;

  constructor(folder: string, profile: string, authUrl: string, signal: AbortSignal) {
    this.#file = path.join(folder, 'sessions.json');
    this.#profile = profile;
    this.#authUrl = authUrl;
    this.#signal = signal;
  }

  async exclusive<T>(work: () => Promise<T>): Promise<T> {
    if (this.#locked) return work();
    return withLock(`${this.#file}.lock`, { signal: this.#signal }, async () => {
      this.#locked = true;
      try {
        return await work();
      } finally {
        this.#locked = false;
      }
    });
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

  save(session: StoredSession): Promise<void> {
    return this.#change(() => ({ ...session, authUrl: this.#authUrl }));
  }

  /** Deletes the tokens and remembers that there were some, so that the user learns why a login is needed. */
  async clear(): Promise<void> {
    if (!(await this.#login())) return;
    await this.#change((login) => login && { username: login.username, authUrl: login.authUrl, ended: true });
  }

  /** Deletes everything about the login: the user has logged out. */
  async forget(): Promise<void> {
    if ((await this.#all())[this.#profile]) await this.#change(() => undefined);
  }

  #change(next: (login: StoredLogin | EndedLogin | undefined) => StoredLogin | EndedLogin | undefined): Promise<void> {
    return this.exclusive(async () => {
      const { [this.#profile]: login, ...others } = await this.#all();
      const changed = next(login);
      await writeJson(this.#file, { ...others, ...(changed && { [this.#profile]: changed }) });
    });
  }
}
