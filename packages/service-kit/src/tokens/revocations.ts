/**
 * The tokens that were revoked before they expired, from the feed of the auth service, which is polled. While that service
 * does not answer, its file in the data folder counts, so that the last revocations are known after a restart too. If there
 * is neither, no token can be verified, and all are refused until the feed has been read once.
 */

import fs from 'node:fs/promises';
import path from 'node:path';
import { type Revocation, type RevocationFeed, revocationFeed, type TokenClaims } from '@cl-server/contract';
import { isMissing } from '@cl-server/kit';
import { type Get, get } from '../http-get.js';
import type { Logger } from '../logging/logger.js';

export interface RevocationSource {
  /** Tokens of a generation below this are revoked. */
  minVersion(userId: string): number;
  /** Whether the session, or other credential, from which tokens were issued has ended. */
  hasEnded(credentialId: string): boolean;
  /** Whether the other answers are reliable; asks the service once more if they are not. */
  isKnown(): boolean | Promise<boolean>;
  /** Milliseconds since the epoch from which on every token names its audience; undefined where none does. */
  audienceSince(): number | undefined;
}

export const noRevocations: RevocationSource = {
  minVersion: () => 0,
  hasEnded: () => false,
  isKnown: () => true,
  audienceSince: () => undefined,
};

/** Whether a token with these claims was revoked before it expired. */
export const isRevoked = (
  revocations: RevocationSource,
  { id, ver, sid }: Pick<TokenClaims, 'id' | 'ver' | 'sid'>,
): boolean => ver < revocations.minVersion(id) || (sid !== undefined && revocations.hasEnded(sid));

/** The file to which the auth service writes its feed, for times in which it does not answer. */
export const revocationFile = (dataDir: string): string => path.join(dataDir, 'revocations.json');

export interface RevocationPollOptions {
  readonly authUrl: string;
  /** The services' own credential. */
  readonly credential: string;
  readonly logger: Logger;
  /** The auth service's file; absent where its data folder is another. */
  readonly file?: string | undefined;
  /** Milliseconds between two polls; a dead token is refused within this and one request. */
  readonly interval?: number;
  readonly fetch?: Get;
}

/** Streams end within 5 s of a revocation: this, and the second in which they look (see `watch-route.ts`). */
const POLL_INTERVAL = 3_000;
/** Until the feed has been read once. */
const FIRST_RETRY = 250;
const FETCH_TIMEOUT = 5_000;
/** Ended credentials are kept this long after their tokens expired, because clocks of machines differ. */
const CLOCK_MARGIN = 3_600_000;
/** A start does not wait longer for an auth service that does not answer. */
const START_PATIENCE = 1_000;

export class RevocationPoll implements RevocationSource {
  readonly #options: RevocationPollOptions;
  readonly #minVersions = new Map<string, number>();
  /** The end of the last access token of each ended credential. */
  readonly #ended = new Map<string, number>();
  #lastSeq = 0;
  #lastEndedSeq = 0;
  #known = false;
  #audienceSince: number | undefined;
  #pending: Promise<void> | undefined;
  readonly #closing = new AbortController();
  #timer: NodeJS.Timeout | undefined;

  constructor(options: RevocationPollOptions) {
    this.#options = options;
  }

  /** Returns when the feed was read, or after a moment; goes on in the background. */
  async start(): Promise<this> {
    const first = this.#loop();
    let patience: NodeJS.Timeout | undefined;
    await Promise.race([first, new Promise((resolve) => (patience = setTimeout(resolve, START_PATIENCE)))]);
    clearTimeout(patience);
    return this;
  }

  minVersion(userId: string): number {
    return this.#minVersions.get(userId) ?? 0;
  }

  hasEnded(credentialId: string): boolean {
    return this.#ended.has(credentialId);
  }

  isKnown(): boolean | Promise<boolean> {
    return this.#known || this.poll().then(() => this.#known);
  }

  /** Whether the revocations are known now, without asking; for readiness. */
  get known(): boolean {
    return this.#known;
  }

  audienceSince(): number | undefined {
    return this.#audienceSince;
  }

  async #loop(): Promise<void> {
    await this.poll();
    if (this.#closing.signal.aborted) return;
    const wait = this.#known ? (this.#options.interval ?? POLL_INTERVAL) : FIRST_RETRY;
    this.#timer = setTimeout(() => void this.#loop(), wait);
    this.#timer.unref();
  }

  /** Asks once, however many wait. */
  poll(): Promise<void> {
    this.#pending ??= this.#ask().finally(() => {
      this.#pending = undefined;
    });
    return this.#pending;
  }

  async #ask(): Promise<void> {
    const { authUrl, credential, logger } = this.#options;
    try {
      const positions = `since=${this.#lastSeq}&ended_since=${this.#lastEndedSeq}`;
      const response = await (this.#options.fetch ?? get)(`${authUrl}/auth/revocations?${positions}`, {
        headers: { authorization: `Bearer ${credential}` },
        signal: AbortSignal.any([AbortSignal.timeout(FETCH_TIMEOUT), this.#closing.signal]),
      });
      if (!response.ok) throw new Error(`status ${response.status}`);
      const feed = this.#learn(await response.json());
      this.#lastSeq = feed.last_seq;
      this.#lastEndedSeq = feed.last_ended_seq ?? 0;
      this.#forgetExpired();
    } catch (error) {
      logger.debug({ err: error }, 'revocations not fetched from the auth service');
      await this.#readFile();
    }
  }

  /** The position in the feed stays: what the auth service says when it is back is asked for all the same. */
  async #readFile(): Promise<void> {
    const { file, logger } = this.#options;
    if (file === undefined) return;
    try {
      this.#learn(JSON.parse(await fs.readFile(file, 'utf8')));
    } catch (error) {
      if (!isMissing(error)) logger.warn({ err: error, file }, 'the file of revocations cannot be used');
    }
  }

  #learn(answer: unknown): RevocationFeed {
    const feed = revocationFeed.parse(answer);
    for (const item of feed.items) this.#apply(item);
    for (const { id, until } of feed.ended ?? []) this.#ended.set(id, until);
    this.#audienceSince = feed.audience_since ?? this.#audienceSince;
    this.#known = true;
    return feed;
  }

  #apply({ user_id, min_version }: Revocation): void {
    this.#minVersions.set(user_id, Math.max(min_version, this.minVersion(user_id)));
  }

  /** Access tokens that have expired are refused without this list. */
  #forgetExpired(): void {
    const before = Date.now() - CLOCK_MARGIN;
    for (const [id, until] of this.#ended) if (until < before) this.#ended.delete(id);
  }

  close(): void {
    this.#closing.abort();
    clearTimeout(this.#timer);
  }
}
