import { randomBytes } from 'node:crypto';
import { MIN_PASSWORD_LENGTH, passwordFault } from '@cl-server/contract';
import { HttpError, type Logger, StartupError } from '@cl-server/service-kit';
import { THE_SERVICE } from './audit/audit-log.js';
import { isCommonPassword } from './login/common-passwords.js';
import type { UserAdministration } from './users/user-administration.js';

export interface AdminLogin {
  readonly username: string;
  readonly password: string;
}

export interface BootstrapOptions {
  readonly username: string;
  /** Random if absent. */
  readonly password?: string | undefined;
  readonly logger: Logger;
}

/**
 * Makes the first admin, where there is none.
 * @returns the login if its password was made here and nobody knows it yet
 * @throws StartupError if the password cannot be used or the name is a plain user's
 */
export async function bootstrapAdmin(
  administration: UserAdministration,
  { username, password, logger }: BootstrapOptions,
): Promise<AdminLogin | undefined> {
  const fault = password === undefined ? undefined : passwordFault(password);
  if (fault) throw new StartupError(`ADMIN_PASSWORD: ${fault}`, 2);
  const chosen = password ?? randomBytes(15).toString('base64url');
  const row = await administration.bootstrap(username, chosen, THE_SERVICE).catch((error: unknown) => {
    throw error instanceof HttpError ? new StartupError(`ADMIN_USERNAME: ${error.message}: name another`) : error;
  });
  if (!row) return undefined;
  logger.info({ username }, 'first admin made');
  const weakness =
    [...chosen].length < MIN_PASSWORD_LENGTH
      ? `has fewer than ${MIN_PASSWORD_LENGTH} characters`
      : (await isCommonPassword(chosen)) && 'is one of the commonest, which guessers try first';
  if (weakness) logger.warn(`the admin's password ${weakness}: change it before others reach this server`);
  return password === undefined ? { username, password: chosen } : undefined;
}
