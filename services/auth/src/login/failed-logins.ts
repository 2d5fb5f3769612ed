/**
 * Records failed logins in the log and in the audit table. The log has one line per failure; the cost of password hashing
 * limits their number. A flood must not fill the audit table, so it gets one row per account and address in ten minutes,
 * and about one row a minute after the first hundred. All further failures are counted in a summary row.
 */
import type { Logger } from '@cl-server/service-kit';
import type { AuditLog } from '../audit/audit-log.js';
import { Allowance } from './allowance.js';

export interface FailedLogin {
  readonly username: string;
  readonly address: string;
  readonly network: string;
  /** The account, if one with this name exists. */
  readonly target: { readonly id: number; readonly username: string } | undefined;
  /** Milliseconds during which further attempts are refused. */
  readonly blockedMs: number;
}

export interface FailedLoginsOptions {
  readonly audit: AuditLog;
  readonly logger: Logger;
  readonly now: () => number;
  /** Milliseconds between two summaries. */
  readonly interval?: number;
}

const SUMMARY_INTERVAL_MS = 10 * 60_000;
const MAX_AUDIT_BURST = 100;
const REFILL_MS = 60_000;
const MAX_COUNTED_ADDRESSES = 1_000;
const MAX_NAME_LENGTH = 150;
/** The lock of an account is recorded from this duration on. */
const MIN_RECORDED_LOCK_MS = 60_000;

/** The name as the user typed it, limited in length and without characters that control a terminal or break a line. */
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
    const { now, interval = SUMMARY_INTERVAL_MS } = options;
    this.#rows = new Allowance({ capacity: MAX_AUDIT_BURST, refill: REFILL_MS, maxKeys: 1, now });
    this.#repeated = new Allowance({ capacity: 1, refill: SUMMARY_INTERVAL_MS, now });
    this.#timer = setInterval(() => void this.#summarise(), interval);
    this.#timer.unref();
  }

  async record(failure: FailedLogin): Promise<void> {
    const { logger, audit } = this.#options;
    const { address, target, blockedMs, network } = failure;
    const username = boundedName(failure.username);
    // The address comes first, so that a name cannot mislead a log filter that stops at the first match.
    logger.warn({ address, username, blockedMs }, 'login failed');
    const actor = { id: null, name: null, address };
    if (target && blockedMs >= MIN_RECORDED_LOCK_MS)
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
      .catch((error: unknown) =>
        this.#options.logger.error({ err: error }, 'could not record failed logins in the audit table'),
      );
  }

  /** Writes the summary of failures that were only counted. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#summarise();
  }
}
