/** Checks passwords. An unknown name, a wrong password and an inactive user get the same answer, after the same time. */
import { HttpError, type Logger } from '@cl-server/service-kit';
import type { UserRow } from '../database/tables.js';
import type { UserAdministration } from '../users/user-administration.js';
import type { UserRepository } from '../users/user-repository.js';
import type { FailedLogins } from './failed-logins.js';
import type { Guesser, GuessLimits } from './guess-limits.js';
import type { HashRequester } from './hash-queue.js';
import type { KnownNetworks } from './known-networks.js';
import { networkOf } from './network.js';
import type { PasswordHasher } from './password-hasher.js';

export type LoginResult = 'success' | 'failure' | 'refused';

export interface LoginOptions {
  readonly users: UserRepository;
  readonly administration: UserAdministration;
  readonly hasher: PasswordHasher;
  readonly limits: GuessLimits;
  readonly networks: KnownNetworks;
  readonly failures: FailedLogins;
  readonly logger: Logger;
  /** Called with the result of each attempt, for metrics. */
  readonly observe: (result: LoginResult) => void;
}

export interface Credentials {
  readonly username: string;
  readonly password: string;
}

/** The client that tries to log in. */
export interface LoginClient {
  readonly address: string;
  /** Aborted when the client disconnects. */
  readonly signal: AbortSignal;
  /** The id of the user whose valid token came with the request. */
  readonly holderId: number | undefined;
}

export class Login {
  readonly #options: LoginOptions;

  constructor(options: LoginOptions) {
    this.#options = options;
  }

  /**
   * @returns the user if name and password are correct and the user is active
   * @throws HttpError 429 after too many failures, 503 if too many logins are waiting
   */
  async check({ username, password }: Credentials, client: LoginClient): Promise<UserRow | undefined> {
    const { users, hasher, observe, failures, networks } = this.#options;
    const network = networkOf(client.address);
    const row = await users.byUsername(username);
    const fromKnown = await networks.isKnown(row?.id, network);
    const byToken = row !== undefined && row.id === client.holderId;
    const knownBy = byToken ? 'token' : fromKnown ? 'address' : undefined;
    const attempt = this.#begin({ username, network, knownBy });
    const requester: HashRequester = {
      lane: knownBy ? 'known' : 'stranger',
      source: byToken ? `user ${row.id}` : network,
      signal: client.signal,
    };
    let right: boolean;
    try {
      right = await hasher.verify(password, row?.password_hash, requester);
    } catch (error) {
      attempt.abandoned();
      observe('refused');
      throw error;
    }
    if (row && right && row.is_active === 1) {
      attempt.succeeded();
      observe('success');
      await networks.succeeded(row.id, network);
      await this.#strengthen(row, password, requester);
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

  /** Replaces a hash of lower cost than the current setting while the password is known. */
  async #strengthen(row: UserRow, password: string, requester: HashRequester): Promise<void> {
    const { hasher, administration, logger } = this.#options;
    if (!hasher.isWeak(row.password_hash)) return;
    try {
      await administration.rehash(row, await hasher.hash(password, requester));
    } catch (error) {
      logger.warn({ err: error, user: row.id }, 'could not replace a weak password hash: the next login tries again');
    }
  }
}
