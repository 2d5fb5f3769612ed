/** Checks passwords. Unknown name, wrong password and inactive user look the same from outside, in text and in time. */
import { HttpError, type Logger } from '@cl-server/service-kit';
import type { UserRow } from '../database/tables.js';
import type { UserAdministration } from '../users/user-administration.js';
import type { UserRepository } from '../users/user-repository.js';
import type { FailedLogins } from './failed-logins.js';
import type { Guesser, GuessLimits } from './guess-limits.js';
import type { KnownNetworks } from './known-networks.js';
import { networkOf } from './network.js';
import type { PasswordHasher } from './password-hasher.js';
import type { Turn } from './turns.js';

export type LoginResult = 'success' | 'failure' | 'refused';

export interface LoginOptions {
  readonly users: UserRepository;
  readonly administration: UserAdministration;
  readonly hasher: PasswordHasher;
  readonly limits: GuessLimits;
  readonly networks: KnownNetworks;
  readonly failures: FailedLogins;
  readonly logger: Logger;
  /** Told of each attempt's end; for metrics. */
  readonly observe: (result: LoginResult) => void;
}

export interface Credentials {
  readonly username: string;
  readonly password: string;
}

/** Who tries to log in, beside name and password. */
export interface LoginClient {
  readonly address: string;
  /** Aborted when the client has gone. */
  readonly signal: AbortSignal;
  /** Whose valid token came with the request. */
  readonly holderId: number | undefined;
}

export class Login {
  readonly #options: LoginOptions;

  constructor(options: LoginOptions) {
    this.#options = options;
  }

  /**
   * @returns the user if name and password are right and the user is active
   * @throws HttpError 429 after too many failures, 503 if too many wait
   */
  async check({ username, password }: Credentials, client: LoginClient): Promise<UserRow | undefined> {
    const { users, hasher, observe, failures, networks } = this.#options;
    const network = networkOf(client.address);
    const row = await users.byUsername(username);
    const fromKnown = await networks.isKnown(row?.id, network);
    const byToken = row !== undefined && row.id === client.holderId;
    const knownBy = byToken ? 'token' : fromKnown ? 'address' : undefined;
    const attempt = this.#begin({ username, network, knownBy });
    const turn: Turn = {
      lane: knownBy ? 'known' : 'stranger',
      source: byToken ? `user ${row.id}` : network,
      signal: client.signal,
    };
    let right: boolean;
    try {
      right = await hasher.verify(password, row?.password_hash, turn);
    } catch (error) {
      attempt.abandoned();
      observe('refused');
      throw error;
    }
    if (row && right && row.is_active === 1) {
      attempt.succeeded();
      observe('success');
      await networks.succeeded(row.id, network);
      await this.#strengthen(row, password, turn);
      return row;
    }
    const blockedMs = attempt.failed();
    observe('failure');
    await failures.record({ username, address: client.address, network, target: row, blockedMs });
    return undefined;
  }

  #begin(guesser: Guesser) {
    const { limits, observe } = this.#options;
    try {
      return limits.begin(guesser);
    } catch (error) {
      if (error instanceof HttpError) observe('refused');
      throw error;
    }
  }

  /** A hash of fewer rounds than today's is made again while the password is known. */
  async #strengthen(row: UserRow, password: string, turn: Turn): Promise<void> {
    const { hasher, administration, logger } = this.#options;
    if (!hasher.isWeak(row.password_hash)) return;
    try {
      await administration.rehash(row, await hasher.hash(password, turn));
    } catch (error) {
      logger.warn({ err: error, user: row.id }, 'a weak password hash was not replaced; the next login tries again');
    }
  }
}
