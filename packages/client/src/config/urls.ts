import { PORTS } from '@cl-server/contract/constants';
import { ConfigError } from '../errors.js';

/** Addresses of the platform. */
export interface ServerUrls {
  readonly auth: string;
  readonly store: string;
  readonly compute: string;
  /** `mqtt://`, `mqtts://`, `ws://` or `wss://`; null for none: jobs are then followed over HTTP alone. */
  readonly mqtt: string | null;
}

/** A platform on this machine. */
export const DEFAULT_URLS: ServerUrls = {
  auth: `http://localhost:${PORTS.auth}`,
  store: `http://localhost:${PORTS.store}`,
  compute: `http://localhost:${PORTS.compute}`,
  mqtt: `mqtt://localhost:${PORTS.mqtt}`,
};

/** Environment variables by their names, as `process.env` has them. */
export type Environment = Readonly<Record<string, string | undefined>>;

const NAMES = ['auth', 'store', 'compute', 'mqtt'] as const;

/** `CL_STORE_URL` or `STORE_URL`; the longer name is ours alone and wins. Empty counts as absent. */
function fromEnvironment(env: Environment, name: string): string | undefined {
  const key = `${name.toUpperCase()}_URL`;
  return env[`CL_${key}`] || env[key] || undefined;
}

function checked(name: string, value: string, schemes: readonly string[]): string {
  const url = URL.canParse(value) ? new URL(value) : undefined;
  if (!url || !schemes.includes(url.protocol))
    throw new ConfigError(`The ${name} URL should begin with ${schemes.map((s) => `${s}//`).join(' or ')}: ${value}`);
  // eslint-disable-next-line regexp/no-super-linear-move -- an address of the operator, some characters long
  return value.replace(/\/+$/, '');
}

export interface UrlSources {
  /** Addresses from the caller. They take precedence. */
  readonly args?: Partial<ServerUrls> | undefined;
  readonly env?: Environment | undefined;
  /** Addresses from a configuration file or profile. */
  readonly file?: Partial<ServerUrls> | undefined;
}

/**
 * Defaults, overlaid by the file, the environment and the arguments.
 * @throws ConfigError for an address that is none
 *
 * @example
 * ```ts
 * const urls = resolveUrls({ env: process.env, args: { store: 'http://nas:8001' } });
 * ```
 */
export function resolveUrls({ args = {}, env = {}, file = {} }: UrlSources = {}): ServerUrls {
  const pick = (name: (typeof NAMES)[number]): string | null => {
    for (const value of [args[name], fromEnvironment(env, name), file[name]]) if (value !== undefined) return value;
    return DEFAULT_URLS[name];
  };
  const web = (name: 'auth' | 'store' | 'compute'): string => checked(name, pick(name) ?? '', ['http:', 'https:']);
  const mqtt = pick('mqtt');
  return {
    auth: web('auth'),
    store: web('store'),
    compute: web('compute'),
    mqtt:
      mqtt === null || mqtt === '' || mqtt === 'none'
        ? null
        : checked('mqtt', mqtt, ['mqtt:', 'mqtts:', 'ws:', 'wss:']),
  };
}
