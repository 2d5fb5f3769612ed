/**
 * The limits of refreshes. Nobody can guess a refresh token, but each attempt costs time, and each refresh is a write.
 *
 * | origin | limit |
 * |---|---|
 * | refused tokens from one address | 60, then one every 2 s |
 * | refreshes of one session | 30, then one every 10 s; the refresh token stays valid while the client waits |
 */
import { Allowance } from '../login/allowance.js';
import { refusedFor } from '../login/refusal.js';

export class RefreshLimits {
  readonly #refused: Allowance;
  readonly #sessions: Allowance;

  constructor(now: () => number) {
    this.#refused = new Allowance({ capacity: 60, refill: 2_000, now });
    this.#sessions = new Allowance({ capacity: 30, refill: 10_000, now });
  }

  /**
   * Starts an attempt from a network. It counts as refused unless `accepted` is called.
   * @throws HttpError 429 with `Retry-After`
   */
  begin(network: string): { readonly accepted: () => void } {
    const wait = this.#refused.take(network);
    if (wait > 0) throw refusedFor(wait);
    return { accepted: () => this.#refused.giveBack(network) };
  }

  /** Counts a refresh of a session. @throws HttpError 429 with `Retry-After` */
  count(sessionId: string): void {
    const wait = this.#sessions.take(sessionId);
    if (wait > 0) throw refusedFor(wait, 'Too many refreshes of this session');
  }
}
