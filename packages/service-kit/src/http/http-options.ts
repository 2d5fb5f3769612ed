/** Settings of an HTTP server about the programs and pages that call it. */
import { isIP } from 'node:net';
import type { PlatformAddress } from '@cl-server/contract';
import type { httpSettings } from '../config/service-settings.js';
import type { Values } from '../config/setting.js';
import type { ConnectionLimits } from './connections.js';
import type { PressureLimits } from './pressure.js';
import type { SlowBodyLimits } from './slow-bodies.js';

export interface HttpOptions {
  /** Web origins whose pages may call the server; `*` for all. */
  readonly corsOrigins?: readonly string[];
  /** Other services of the platform, whose pages may call the server. */
  readonly siblings?: readonly PlatformAddress[];
  /** The auth service as clients reach it; the page of documentation logs in there. Absent for auth itself. */
  readonly authAddress?: PlatformAddress;
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

interface HttpSettings extends Values<typeof httpSettings> {
  readonly host: string;
  /** The auth service as this process reaches it. */
  readonly authUrl?: string;
  readonly publicAuthUrl?: string | undefined;
}

/** Clients reach auth at its public address; without one, at its port on the host at which they reach this service. */
function addressOfAuth({ authUrl, publicAuthUrl }: HttpSettings): PlatformAddress | undefined {
  if (authUrl === undefined) return undefined;
  if (publicAuthUrl !== undefined) return { url: publicAuthUrl };
  const { port, protocol } = new URL(authUrl);
  return { port: Number(port || (protocol === 'https:' ? 443 : 80)) };
}

/** From a program's settings. A name to listen on is a name to be addressed by. */
export function httpOptions(settings: HttpSettings): HttpOptions {
  const { host, allowedHosts, corsOrigins, trustProxy, metricsAccess } = settings;
  const authAddress = addressOfAuth(settings);
  return {
    corsOrigins,
    openMetrics: metricsAccess === 'open',
    allowedHosts: isIP(host) === 0 ? [...allowedHosts, host] : allowedHosts,
    ...(trustProxy !== undefined && { trustProxy }),
    ...(authAddress && { authAddress }),
  };
}
