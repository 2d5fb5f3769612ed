import type { PlatformAddress, PlatformAddresses } from '@cl-server/contract';
import { mqttSchemes } from '#platform';
import { AuthClient } from '../auth/auth-client.js';
import { ClServer, type ClServerOptions } from '../cl-server.js';
import { ApiError, BadAnswerError, ConfigError } from '../errors.js';
import type { CallOptions, HttpClientOptions } from '../http/http-client.js';
import type { ServerUrls } from './urls.js';

// eslint-disable-next-line regexp/no-super-linear-move -- an address of the operator, some characters long
const withoutSlash = (url: string): string => url.replace(/\/+$/, '');

/** The server's address as the base of references: its last folder counts. */
function baseOf(server: string): URL {
  const url = URL.canParse(server) ? new URL(server) : undefined;
  if (url && ['http:', 'https:'].includes(url.protocol))
    return new URL(`${withoutSlash(url.href.split(/[?#]/, 1)[0] ?? '')}/`);
  throw new ConfigError(`The address of a server begins with http:// or https://: ${server}`);
}

/** @param scheme the scheme of a port, and of a path, beside a server without TLS; beside one with TLS it gets an `s` */
function absolute(address: PlatformAddress, base: URL, scheme: 'http' | 'ws' | 'mqtt'): string {
  const secure = base.protocol === 'https:' ? 's' : '';
  if ('port' in address) return `${scheme}${secure}://${base.hostname}:${address.port}`;
  return withoutSlash(new URL(address.url, `${scheme}${secure}://${base.host}${base.pathname}`).href);
}

const isAddress = (value: unknown): boolean =>
  typeof value === 'object' &&
  value !== null &&
  (('port' in value && Number.isInteger(value.port)) || ('url' in value && typeof value.url === 'string'));

/** Whether an answer is the document; a server that is not ours may answer with anything. */
function isDocument(answer: unknown): answer is PlatformAddresses {
  if (typeof answer !== 'object' || answer === null) return false;
  const { product, auth, store, compute, mqtt, mqtt_ws } = answer as Partial<Record<keyof PlatformAddresses, unknown>>;
  return (
    product === 'cl-server' &&
    [store, compute].every(isAddress) &&
    [auth, mqtt, mqtt_ws].every((value) => value === undefined || value === null || isAddress(value))
  );
}

/**
 * The addresses of all services, from the document of a server.
 *
 * @param server the address at which the document was found
 * @example
 * ```ts
 * const urls = sdk.platformUrls('http://nas:8000', { product: 'cl-server', store: { port: 8001 }, compute: { port: 8002 }, mqtt: null, mqtt_ws: null });
 * ```
 */
export function platformUrls(server: string, document: PlatformAddresses): ServerUrls {
  const base = baseOf(server);
  const { auth = { url: '.' }, store, compute, mqtt, mqtt_ws } = document;
  const brokers = [mqtt && absolute(mqtt, base, 'mqtt'), mqtt_ws && absolute(mqtt_ws, base, 'ws')];
  return {
    auth: absolute(auth, base, 'http'),
    store: absolute(store, base, 'http'),
    compute: absolute(compute, base, 'http'),
    mqtt: brokers.find((url) => url !== null && mqttSchemes.includes(new URL(url).protocol)) ?? null,
  };
}

/** How to ask a server for its addresses. */
export type DiscoverOptions = CallOptions & Pick<HttpClientOptions, 'fetch' | 'timeoutMs' | 'onRequest'>;

/**
 * Asks a server for the addresses of all its services.
 *
 * @param server the address of the auth service, or of a gateway or reverse proxy in front of it
 * @throws ConfigError if the address is not that of a CL Server
 * @example
 * ```ts
 * const cl = new ClServer({ urls: await sdk.discover('https://photos.example') });
 * ```
 */
export async function discover(server: string, { signal, ...options }: DiscoverOptions = {}): Promise<ServerUrls> {
  const baseUrl = withoutSlash(baseOf(server).href);
  let document: unknown;
  try {
    document = await new AuthClient({ ...options, baseUrl }).addresses({ signal });
  } catch (error) {
    const answered = (error instanceof ApiError && error.status < 500) || error instanceof BadAnswerError;
    if (!answered) throw error;
  }
  if (!isDocument(document))
    throw new ConfigError(
      `${baseUrl} answers, but it is not the address of a CL Server. Give the address of its auth service, or of the proxy in front of it`,
    );
  return platformUrls(baseUrl, document);
}

/** The options of `createClient`. */
export interface CreateClientOptions extends ClServerOptions {
  /** The address of the auth service, or of a gateway or reverse proxy in front of it. */
  readonly server: string;
  readonly signal?: AbortSignal | undefined;
}

/**
 * A client of a platform that is known by one address.
 *
 * @example
 * ```ts
 * const cl = await sdk.createClient({ server: 'https://photos.example' });
 * ```
 */
export async function createClient({ server, signal, ...options }: CreateClientOptions): Promise<ClServer> {
  const found = await discover(server, { signal, ...(options.http?.fetch && { fetch: options.http.fetch }) });
  return new ClServer({ ...options, urls: { ...found, ...options.urls } });
}
