import { TOPICS } from '@cl-server/contract/constants';
import { mqttSchemes, userAgent } from '#platform';
import { AuthClient } from './auth/auth-client.js';
import type { AuthProvider } from './auth/provider.js';
import { type Credentials, SessionManager } from './auth/session.js';
import type { TokenStore } from './auth/token-store.js';
import { ComputeClient, type ComputeClientOptions, type Transport } from './compute/compute-client.js';
import { type Environment, resolveUrls, type ServerUrls } from './config/urls.js';
import { EventsClient } from './events/events-client.js';
import type { HttpClientOptions } from './http/http-client.js';
import type { PollPolicy } from './jobs/follow.js';
import { MqttConnection } from './mqtt/connection.js';
import { StoreClient } from './store/store-client.js';
import { VERSION } from './version.js';

export interface ClServerOptions {
  /** Addresses of the services. Those left out come from `env`, then `file`, then from the defaults on this machine. */
  readonly urls?: Partial<ServerUrls> | undefined;
  /** Variables that may hold `AUTH_URL`, `STORE_URL`, `COMPUTE_URL`, `MQTT_URL` (or `CL_…`); in Node: `process.env`. */
  readonly env?: Environment | undefined;
  /** Addresses from a configuration file. */
  readonly file?: Partial<ServerUrls> | undefined;
  /** Other credentials than a session's. */
  readonly auth?: AuthProvider | undefined;
  /** The place that keeps the session. Default: memory. */
  readonly tokenStore?: TokenStore | undefined;
  /** The name by which the user recognizes a session of this program in the list of sessions. */
  readonly device?: string | undefined;
  /** Asked when there is no session, or when it cannot be refreshed. */
  readonly credentials?: (() => Credentials | undefined | Promise<Credentials | undefined>) | undefined;
  /** How the ends of jobs are received, in order of preference. Default `['mqtt', 'sse']`; polling is the last resort. */
  readonly transports?: readonly Transport[] | undefined;
  readonly poll?: PollPolicy | undefined;
  readonly http?: Omit<HttpClientOptions, 'baseUrl' | 'auth'> | undefined;
  /** Topics of a server with its own prefixes (`MQTT_TOPIC`, `CAPABILITY_TOPIC_PREFIX`). */
  readonly topics?: ComputeClientOptions['topics'];
}

/**
 * A whole platform: auth, store and compute with one session and one MQTT connection.
 *
 * @example
 * ```ts
 * const cl = new ClServer({ env: process.env });
 * await cl.session.login('admin', password);
 * const { entity } = await cl.store.entities.upload('photo.jpg');
 * const { phash } = await cl.compute.hash.compute('photo.jpg').output;
 * await cl.close();
 * ```
 */
export class ClServer {
  readonly urls: ServerUrls;
  readonly auth: AuthClient;
  readonly session: SessionManager;
  readonly store: StoreClient;
  readonly compute: ComputeClient;
  /** Live events of the store and of jobs. */
  readonly events: EventsClient;
  /** The connection for the ends of jobs, without a login. Undefined if MQTT is off, or not possible from a browser. */
  readonly mqtt: MqttConnection | undefined;
  /** The connection for events, with the session's token, because most of them are for users who may read. */
  readonly #eventConnection: MqttConnection | undefined;

  constructor(options: ClServerOptions = {}) {
    this.urls = resolveUrls({ args: options.urls, env: options.env, file: options.file });
    const http = { ...options.http, headers: { ...userAgent(VERSION), ...options.http?.headers } };
    // Its own calls carry their token themselves, so that refreshing never waits for itself.
    const bare = new AuthClient({ ...http, baseUrl: this.urls.auth });
    this.session = new SessionManager({
      auth: bare,
      store: options.tokenStore,
      device: options.device,
      credentials: options.credentials,
    });
    const auth = options.auth ?? this.session;
    this.auth = new AuthClient({ ...http, baseUrl: this.urls.auth, auth });
    this.mqtt = connectionTo(this.urls.mqtt);
    const shared = {
      ...http,
      auth,
      mqtt: this.mqtt,
      transports: options.transports,
      poll: options.poll,
      topics: options.topics,
    };
    this.store = new StoreClient({ ...shared, baseUrl: this.urls.store });
    this.compute = new ComputeClient({ ...shared, baseUrl: this.urls.compute });
    this.#eventConnection = connectionTo(this.urls.mqtt, () => bearerOf(auth));
    this.events = new EventsClient({
      mqtt: this.#eventConnection,
      store: this.store.topics,
      jobEvents: options.topics?.jobEvents ?? TOPICS.jobEvents,
    });
  }

  /**
   * Ends all subscriptions and the MQTT connections.
   *
   * @example
   * ```ts
   * await cl.close();
   * ```
   */
  async close(): Promise<void> {
    this.store.close();
    this.compute.close();
    await Promise.all([this.mqtt?.close(), this.#eventConnection?.close()]);
  }
}

/** A browser has no TCP: it ignores an `mqtt://` address and follows jobs over HTTP. */
function connectionTo(url: string | null, token?: () => Promise<string | undefined>): MqttConnection | undefined {
  if (url === null) return undefined;
  const { protocol, username } = new URL(url);
  if (!mqttSchemes.includes(protocol)) return undefined;
  // Credentials in the address are those of a broker of its own, which knows no tokens.
  return new MqttConnection({ url, ...(token && username === '' && { username: 'token', password: token }) });
}

async function bearerOf(auth: AuthProvider): Promise<string | undefined> {
  const { authorization } = await auth.headers();
  return authorization?.replace(/^Bearer /, '');
}
