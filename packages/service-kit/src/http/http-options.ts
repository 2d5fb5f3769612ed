/** Settings of an HTTP server about the programs and pages that call it. */
import { isIP } from 'node:net';
import type { httpSettings } from '../config/service-settings.js';
import type { Values } from '../config/setting.js';
import type { ConnectionLimits } from './connections.js';
import type { PressureLimits } from './pressure.js';
import type { SlowBodyLimits } from './slow-bodies.js';

export interface HttpOptions {
  /** Web origins whose pages may call the server; `*` for all. */
  readonly corsOrigins?: readonly string[];
  /** Names by which the server is addressed, beside `localhost`, addresses and the machine's own names; `*` for any. */
  readonly allowedHosts?: readonly string[];
  /** Addresses of reverse proxies whose X-Forwarded-For header is trusted; true for any. */
  readonly trustProxy?: boolean | string;
  /** Whether everybody may read `/metrics`; else this machine and admins. */
  readonly openMetrics?: boolean;
  /** Bytes of memory that the bodies of all requests may take together. */
  readonly bodyBudget?: number;
  readonly connections?: ConnectionLimits;
  readonly pressure?: PressureLimits;
  readonly slowBodies?: SlowBodyLimits;
}

/** From a program's settings. A name to listen on is a name to be addressed by. */
export function httpOptions(settings: Values<typeof httpSettings> & { readonly host: string }): HttpOptions {
  const { host, allowedHosts, corsOrigins, trustProxy, metricsAccess } = settings;
  return {
    corsOrigins,
    openMetrics: metricsAccess === 'open',
    allowedHosts: isIP(host) === 0 ? [...allowedHosts, host] : allowedHosts,
    ...(trustProxy !== undefined && { trustProxy }),
  };
}
