/**
 * Failed logins in the log and in the audit table. The log has one line per failure (whose number the password hashes
 * bound). The audit table must not grow with a flood: one row per account and address in ten minutes, and about one row a
 * minute beyond the first hundred; all further failures are counted in a summary row.
 */
import type { Logger } from '@cl-server/service-kit';
import type { AuditLog } from '../audit/audit-log.js';
import { Allowance } from './allowance.js';

export interface FailedLogin {
  readonly username: string;
  readonly address: string;
  readonly network: string;
  /** The account, where there is one of this name. */
  readonly target: { readonly id: number; readonly username: string } | undefined;
  /** Milliseconds for which further attempts are refused. */
  readonly blockedMs: number;
}

export interface FailedLoginsOptions {
  readonly audit: AuditLog;
  readonly logger: Logger;
  readonly now: () => number;
  /** Milliseconds between two summaries. */
  readonly interval?: number;
}

const INTERVAL = 10 * 60_000;
const LISTED_AT_ONCE = 100;
const REFILL = 60_000;
const MAX_COUNTED_ADDRESSES = 1_000;
const MAX_NAME_LENGTH = 150;
/** An account's locks are recorded once they last. */
const RECORDED_LOCK = 60_000;

/** A name as typed, of a bounded length, without characters that steer a terminal or break a line. */
export const boundedName = (name: string): string =>
  name
    .slice(0, MAX_NAME_LENGTH)
    .replace(/[\p{C}\p{Zl}\p{Zp}]/gu, (char) => `\\u{${(char.codePointAt(0) ?? 0).toString(16)}}`);

export class FailedLogins {
  readonly #options: FailedLoginsOptions;
  readonly #rows: Allowance;
  readonly #repeated: Allowance;
  readonly #addresses = new Set<string>();
  readonly #timer: NodeJS.Timeout;
  #unlisted = 0;

  constructor(options: FailedLoginsOptions) {
    this.#options = options;
    const { now, interval = INTERVAL } = options;
    this.#rows = new Allowance({ capacity: LISTED_AT_ONCE, refill: REFILL, maxKeys: 1, now });
    this.#repeated = new Allowance({ capacity: 1, refill: INTERVAL, now });
    this.#timer = setInterval(() => void this.#summarise(), interval);
    this.#timer.unref();
  }

  async record(failure: FailedLogin): Promise<void> {
    const { logger, audit } = this.#options;
    const { address, target, blockedMs, network } = failure;
    const username = boundedName(failure.username);
    // The address comes first: a filter that stops there cannot be led astray by a name.
    logger.warn({ address, username, blockedMs }, 'login failed');
    const actor = { id: null, name: null, address };
    if (target && blockedMs >= RECORDED_LOCK)
      await audit.append({ action: 'login.locked', actor, target, details: { seconds: blockedMs / 1000 } });
    if (this.#repeated.take(`${network}\0${failure.username}`) > 0 || this.#rows.take('') > 0) {
      this.#unlisted++;
      if (this.#addresses.size < MAX_COUNTED_ADDRESSES) this.#addresses.add(address);
      return;
    }
    await audit.append({ action: 'login.failed', actor, target, ...(!target && { details: { username } }) });
  }

  async #summarise(): Promise<void> {
    if (this.#unlisted === 0) return;
    const details = { further_failures: this.#unlisted, addresses: this.#addresses.size };
    this.#unlisted = 0;
    this.#addresses.clear();
    const actor = { id: null, name: null, address: null };
    await this.#options.audit
      .append({ action: 'login.failed', actor, details })
      .catch((error: unknown) => this.#options.logger.error({ err: error }, 'failed logins not written to the audit'));
  }

  /** Writes what was only counted. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#summarise();
  }
}
