/** Settings of programs that answer HTTP. */
import { PORTS } from '@cl-server/contract/constants';
import { asHostNames } from '../http/allowed-hosts.js';
import { asBool, asChoice, asList, asNonEmpty, asPort, asUrl } from './setting.js';

export const hostSetting = {
  env: 'HOST',
  flag: 'host',
  parse: asNonEmpty,
  default: '127.0.0.1' as string,
  help: 'Address to listen on; 0.0.0.0 opens the service to the network',
} as const;

/**
 * `--port` of one service.
 * @param env the variable of this service
 * @param fallback the port if none is set
 */
export const portSetting = <const E extends string>(env: E, fallback: number) =>
  ({
    env,
    flag: 'port',
    short: 'p',
    parse: asPort,
    default: fallback,
    help: 'Port to listen on',
  }) as const;

/** Has no effect; see docs/compatibility.md. */
export const reloadSetting = {
  env: 'RELOAD',
  flag: 'reload',
  isSwitch: true,
  parse: asBool,
  default: false as boolean,
  help: 'Accepted and ignored',
} as const;

export const noAuthSetting = {
  env: 'AUTH_DISABLED',
  flag: 'no-auth',
  isSwitch: true,
  parse: asBool,
  default: false as boolean,
  help: 'Turn off authentication: anyone can do anything, including admin actions',
} as const;

export const corsSetting = {
  env: 'CORS_ORIGINS',
  flag: 'cors-origins',
  parse: asList,
  default: [] as readonly string[],
  help: 'Origins of web pages that may call the services, comma-separated; * for all',
} as const;

export const allowedHostsSetting = {
  env: 'ALLOWED_HOSTS',
  flag: 'allowed-hosts',
  parse: asHostNames,
  default: [] as readonly string[],
  help: 'Additional host names of this server, comma-separated; .example.org stands for every name below it; * for any name',
} as const;

export const trustProxySetting = {
  env: 'TRUST_PROXY',
  parse: asNonEmpty,
  help: 'Addresses of reverse proxies whose X-Forwarded-For header is trusted, comma-separated',
} as const;

export const metricsAccessSetting = {
  env: 'METRICS_ACCESS',
  parse: asChoice(['local', 'open'] as const),
  default: 'local' as 'local' | 'open',
  help: 'Who may read /metrics: local (this machine and admins) or open (anyone)',
} as const;

/** Settings of every HTTP service about the programs that call it. */
export const httpSettings = {
  corsOrigins: corsSetting,
  allowedHosts: allowedHostsSetting,
  trustProxy: trustProxySetting,
  metricsAccess: metricsAccessSetting,
} as const;

export const serviceUrlSettings = {
  authUrl: {
    env: 'AUTH_URL',
    flag: 'auth-url',
    parse: asUrl('http', 'https'),
    default: `http://127.0.0.1:${PORTS.auth}` as string,
    help: 'Address of the auth service',
  },
} as const;

/** Accepts a URL, or a path on the host that the client uses. */
export const asAddress =
  (...protocols: readonly string[]) =>
  (text: string): string =>
    /^\/(?!\/)\S*$/.test(text) ? text : asUrl(...protocols)(text);

/** The address of auth for clients; services name it in their documentation. */
export const publicAuthSettings = {
  publicAuthUrl: {
    env: 'PUBLIC_AUTH_URL',
    parse: asAddress('http', 'https'),
    help: 'Address of the auth service for clients, or its path on the host that they use (default: its port on that host)',
  },
} as const;

export const keySettings = {
  publicKeyPath: {
    env: 'PUBLIC_KEY_PATH',
    flag: 'public-key-path',
    parse: asNonEmpty,
    help: 'Public key file, used while the auth service is unavailable',
  },
} as const;
