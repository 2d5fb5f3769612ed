import type { Logger } from '../logging/logger.js';
import { isLoopback } from './loopback.js';

/** Warns in the log when a service can be reached from other machines, or checks no authentication. */
export function warnIfExposed(settings: { readonly host: string; readonly noAuth: boolean }, logger: Logger): void {
  if (!isLoopback(settings.host))
    logger.warn({ host: settings.host }, 'listening on an address that other machines can reach');
  if (settings.noAuth) logger.warn('NO AUTHENTICATION (--no-auth): anyone can do anything, including admin actions');
}
