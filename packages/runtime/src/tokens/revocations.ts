/** Which tokens died before they expired: the auth service's feed, polled. */
import { type Revocation, revocationFeed } from '@cl-server/contract';
import { type Get, get } from '../http-get.js';
import type { Logger } from '../logging/logger.js';

export interface RevocationSource {
  /** Tokens of a generation below this are dead. */
  minVersion(userId: string): number;
}

export const noRevocations: RevocationSource = { minVersion: () => 0 };

export interface RevocationPollOptions {
  readonly authUrl: string;
  /** The services' own credential. */
  readonly credential: string;
  readonly logger: Logger;
  /** Milliseconds between two polls; a dead token is refused within this and one request. */
  readonly interval?: number;
  readonly fetch?: Get;
}

/** Together below 10 s: the time within which a dead token is refused everywhere. */
const POLL_INTERVAL = 3_000;
const FETCH_TIMEOUT = 5_000;

export class RevocationPoll implements RevocationSource {
  readonly #options: RevocationPollOptions;
  readonly #minVersions = new Map<string, number>();
  #lastSeq = 0;
  readonly #closing = new AbortController();
  #timer: NodeJS.Timeout | undefined;

  constructor(options: RevocationPollOptions) {
    this.#options = options;
  }

  start(): this {
    void this.#loop();
    return this;
  }

  minVersion(userId: string): number {
    return this.#minVersions.get(userId) ?? 0;
  }

  async #loop(): Promise<void> {
    await this.poll();
    if (this.#closing.signal.aborted) return;
    this.#timer = setTimeout(() => void this.#loop(), this.#options.interval ?? POLL_INTERVAL);
    this.#timer.unref();
  }

  /** Asks once. The token's own short life is the fall-back while the auth service does not answer. */
  async poll(): Promise<void> {
    const { authUrl, credential, logger } = this.#options;
    try {
      const response = await (this.#options.fetch ?? get)(`${authUrl}/auth/revocations?since=${this.#lastSeq}`, {
        headers: { authorization: `Bearer ${credential}` },
        signal: AbortSignal.any([AbortSignal.timeout(FETCH_TIMEOUT), this.#closing.signal]),
      });
      if (!response.ok) throw new Error(`status ${response.status}`);
      const feed = revocationFeed.parse(await response.json());
      for (const item of feed.items) this.#apply(item);
      this.#lastSeq = feed.last_seq;
    } catch (error) {
      logger.debug({ err: error }, 'revocations not fetched from the auth service');
    }
  }

  #apply({ user_id, min_version }: Revocation): void {
    this.#minVersions.set(user_id, Math.max(min_version, this.minVersion(user_id)));
  }

  close(): void {
    this.#closing.abort();
    clearTimeout(this.#timer);
  }
}
