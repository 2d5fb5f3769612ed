/**
 * The names by which a server may be addressed, and the web pages that may change something on it.
 *
 * A page of a stranger reaches a server on a private address by giving its own name that address (DNS rebinding). The
 * browser then sends the page's name as `Host`, so a server that answers only to its own names is out of reach. Always
 * accepted is what cannot be rebound: an IP address, and a name of one label (`nas`, a container's name), because the
 * public DNS has none and only the local network can resolve it.
 *
 * To use it on another listener: make one `AllowedHosts` at start from the setting `ALLOWED_HOSTS` (`allowedHostsSetting`),
 * refuse a request whose `Host` header `accepts` denies, and a request (or a WebSocket upgrade) that carries an `Origin`
 * which `acceptsOrigin` denies. A request without `Origin` comes from a program and passes.
 */
import { isIPv4, isIPv6 } from 'node:net';
import os from 'node:os';
import type { PlatformAddress } from '@cl-server/contract';

/** Longest DNS name, a port and brackets. */
const MAX_HOST = 270;
/** Longest `Origin` that is read: a scheme, `://`, a host and a port. */
const MAX_ORIGIN = MAX_HOST + 40;

/** A name without port, brackets, trailing dot and upper case; undefined for what is no name at all. */
export function hostNameOf(header: string): string | undefined {
  if (header.length > MAX_HOST) return undefined;
  const match = /^(\[[0-9a-f:.]+\]|[^:[\]\s/@?#\\]+)(?::\d{1,5})?$/i.exec(header);
  const name = match?.[1]?.toLowerCase();
  if (name === undefined) return undefined;
  return name.endsWith('.') ? name.slice(0, -1) : name;
}

/** `localhost` among them. */
const isSingleLabel = (name: string): boolean => /^[a-z0-9_-]+$/.test(name);

const isAddress = (name: string): boolean => isIPv4(name) || (name.startsWith('[') && isIPv6(name.slice(1, -1)));

/** The names that this machine has by itself: its host name, and the first label of it in mDNS. */
export function ownHostNames(hostname: string = os.hostname()): readonly string[] {
  const full = hostname.toLowerCase().replace(/\.$/, '');
  const [label = ''] = full.split('.');
  return label === '' ? [] : [full, `${label}.local`];
}

export interface AllowedHostsOptions {
  /** Further names. `.example.org` stands for every name below example.org, `*` for every name. */
  readonly names?: readonly string[];
  /** Web origins whose pages may call the server, as `CORS_ORIGINS` has them; `*` for all. */
  readonly origins?: readonly string[];
  /** Services of the same platform whose pages may call the server: their pages of documentation log in at auth. */
  readonly siblings?: readonly PlatformAddress[];
  /** Default: the machine's own. */
  readonly ownNames?: readonly string[];
}

export class AllowedHosts {
  readonly #names: ReadonlySet<string>;
  readonly #configured: ReadonlySet<string>;
  readonly #suffixes: readonly string[];
  readonly #all: boolean;
  readonly #origins: ReadonlySet<string>;
  readonly #allOrigins: boolean;
  readonly #siblingPorts: ReadonlySet<string>;

  constructor({ names = [], origins = [], siblings = [], ownNames = ownHostNames() }: AllowedHostsOptions = {}) {
    const given = names.map((name) => name.toLowerCase().replace(/\.$/, ''));
    this.#all = given.includes('*');
    this.#suffixes = given.filter((name) => name.startsWith('.'));
    this.#configured = new Set(given.filter((name) => !name.startsWith('.')));
    this.#names = new Set([...ownNames, ...this.#configured]);
    this.#allOrigins = origins.includes('*');
    const fixed = siblings.flatMap((one) => ('url' in one && URL.canParse(one.url) ? [new URL(one.url).origin] : []));
    this.#origins = new Set([...origins, ...fixed].map((origin) => origin.toLowerCase().replace(/\/$/, '')));
    this.#siblingPorts = new Set(siblings.flatMap((one) => ('port' in one ? [String(one.port)] : [])));
  }

  /** Whether a `Host` header names this server. Its port does not matter: proxies and port forwards change it. */
  accepts(header: string): boolean {
    if (this.#all) return true;
    const name = hostNameOf(header);
    return (
      name !== undefined && (isAddress(name) || isSingleLabel(name) || this.#names.has(name) || this.#isBelow(name))
    );
  }

  /**
   * Whether a page of an `Origin` may change something here, or open a WebSocket: a page of the same host and port, a page
   * that may read answers, or a page under one of the configured names (a reverse proxy may have replaced the `Host`).
   * @param host the request's own `Host` header
   */
  acceptsOrigin(origin: string, host: string | undefined): boolean {
    if (this.mayRead(origin, host)) return true;
    if (origin.length > MAX_ORIGIN) return false;
    const written = origin.toLowerCase();
    const match = /^https?:\/\/([^/]+)$/.exec(written);
    if (!match?.[1]) return false;
    if (host !== undefined && sameHost(match[1], host.toLowerCase(), written.startsWith('https'))) return true;
    const name = hostNameOf(match[1]);
    return name !== undefined && (this.#configured.has(name) || this.#isBelow(name));
  }

  /**
   * Whether a page of an `Origin` may read answers (CORS): a page of `CORS_ORIGINS`, or of another service of the platform.
   * @param host the request's own `Host` header
   */
  mayRead(origin: string, host: string | undefined): boolean {
    if (this.#allOrigins) return true;
    if (origin.length > MAX_ORIGIN) return false;
    const written = origin.toLowerCase();
    if (this.#origins.has(written)) return true;
    const [, name, port = ''] = /^https?:\/\/(.+):(\d+)$/.exec(written) ?? [];
    return name !== undefined && this.#siblingPorts.has(port) && host !== undefined && hostNameOf(host) === name;
  }

  #isBelow(name: string): boolean {
    return this.#suffixes.some((suffix) => name.endsWith(suffix));
  }
}

/** Compares two authorities, a default port being as good as none. */
function sameHost(one: string, other: string, secure: boolean): boolean {
  const plain = (text: string): string => {
    const port = secure ? ':443' : ':80';
    return text.endsWith(port) ? text.slice(0, -port.length) : text;
  };
  return plain(one) === plain(other);
}

/** Reads `ALLOWED_HOSTS`: names, comma-separated; no schemes, ports or paths. @throws Error that says what is expected */
export function asHostNames(text: string): readonly string[] {
  const names = text
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');
  for (const name of names)
    if (!/^(\*|\.?[a-z0-9_][a-z0-9_.-]{0,252})$/i.test(name))
      throw new Error(
        `expected host names without scheme and port, such as photos.example.org (other scripts as xn--…), or *; found "${name}"`,
      );
  return names;
}
