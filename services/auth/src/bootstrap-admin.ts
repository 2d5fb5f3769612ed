import { randomBytes } from 'node:crypto';
import { MIN_PASSWORD_LENGTH, passwordFault } from '@cl-server/contract';
import { HttpError, type Logger, StartupError } from '@cl-server/service-kit';
import { SERVICE_ACTOR } from './audit/audit-log.js';
import { isCommonPassword } from './login/common-passwords.js';
import type { UserAdministration } from './users/user-administration.js';

export interface AdminLogin {
  readonly username: string;
  readonly password: string;
}

export interface BootstrapOptions {
  readonly username: string;
  /** A random password is generated if absent. */
  readonly password?: string | undefined;
  readonly logger: Logger;
}

/**
 * Creates the first admin if there is no admin yet.
 * @returns the login if its password was generated here and has to be shown to the operator
 * @throws StartupError if the password is not acceptable or the name belongs to a user without admin rights
 */
export async function bootstrapAdmin(
  administration: UserAdministration,
  { username, password, logger }: BootstrapOptions,
): Promise<AdminLogin | undefined> {
  const fault = password === undefined ? undefined : passwordFault(password);
  if (fault) throw new StartupError(`ADMIN_PASSWORD: ${fault}`, 2);
  const chosen = password ?? randomBytes(15).toString('base64url');
  const row = await administration.bootstrap(username, chosen, SERVICE_ACTOR).catch((error: unknown) => {
    throw error instanceof HttpError
      ? new StartupError(`ADMIN_USERNAME: ${error.message}: choose another name`)
      : error;
  });
  if (!row) return undefined;
  logger.info({ username }, 'first admin created');
  const weakness =
    [...chosen].length < MIN_PASSWORD_LENGTH
      ? `has fewer than ${MIN_PASSWORD_LENGTH} characters`
      : (await isCommonPassword(chosen)) && 'is one of the most common, which attackers try first';
  if (weakness) logger.warn(`the admin's password ${weakness}: change it before other machines can reach this server`);
  return password === undefined ? { username, password: chosen } : undefined;
}
