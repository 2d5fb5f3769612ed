import type { Logger } from '../logging/logger.js';
import { isLoopback } from './loopback.js';

/** Says first what everybody should know: which doors of a service stand open. */
export function warnOfOpenDoors(settings: { readonly host: string; readonly noAuth: boolean }, logger: Logger): void {
  if (!isLoopback(settings.host)) logger.warn({ host: settings.host }, 'listening beyond this machine');
  if (settings.noAuth) logger.warn('NO AUTHENTICATION: everyone may do everything, admin endpoints too (--no-auth)');
}
