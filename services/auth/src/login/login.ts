/** Checks passwords. Unknown name, wrong password and inactive user look the same from outside, in text and in time. */
import { HttpError, type Logger } from '@cl-server/runtime';
import type { Actor, AuditLog } from '../audit/audit-log.js';
import type { UserRow } from '../database/tables.js';
import type { UserRepository } from '../users/user-repository.js';
import type { AttemptLimiter } from './attempt-limiter.js';
import type { PasswordHasher } from './password-hasher.js';

export type LoginResult = 'success' | 'failure' | 'refused';

export interface LoginOptions {
  readonly users: UserRepository;
  readonly hasher: PasswordHasher;
  readonly limiter: AttemptLimiter;
  readonly audit: AuditLog;
  readonly logger: Logger;
  /** Told of each attempt's end; for metrics. */
  readonly observe: (result: LoginResult) => void;
}

/** The audit table grows with an account's locks, not with the attempts at a lock. */
const AUDITED_BLOCK = 60_000;

export class Login {
  readonly #options: LoginOptions;

  constructor(options: LoginOptions) {
    this.#options = options;
  }

  /**
   * @returns the user if name and password are right and the user is active
   * @throws HttpError 429 after too many failures
   */
  async check(username: string, password: string, address: string): Promise<UserRow | undefined> {
    const { users, hasher, observe, logger } = this.#options;
    const attempt = this.#begin(username, address);
    let row: UserRow | undefined;
    let right: boolean;
    try {
      row = await users.byUsername(username);
      right = await hasher.verify(password, row?.password_hash);
    } catch (error) {
      attempt.abandoned();
      throw error;
    }
    if (row && right && row.is_active === 1) {
      attempt.succeeded();
      observe('success');
      return row;
    }
    const blocked = attempt.failed();
    observe('failure');
    logger.info({ username, address, blockedMs: blocked }, 'login failed');
    if (row && blocked >= AUDITED_BLOCK) await this.#record(row, blocked, address);
    return undefined;
  }

  #begin(username: string, address: string) {
    const { limiter, observe } = this.#options;
    try {
      return limiter.begin(username, address);
    } catch (error) {
      if (error instanceof HttpError) observe('refused');
      throw error;
    }
  }

  async #record(row: UserRow, blocked: number, address: string): Promise<void> {
    const actor: Actor = { id: null, name: null, address };
    const details = { seconds: blocked / 1000 };
    await this.#options.audit.append({ action: 'login.locked', actor, target: row, details });
  }
}
