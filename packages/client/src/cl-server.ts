import { mqttSchemes, userAgent } from '#platform';
import { AuthClient } from './auth/auth-client.js';
import type { AuthProvider } from './auth/provider.js';
import { type Credentials, SessionManager } from './auth/session.js';
import type { TokenStore } from './auth/token-store.js';
import { ComputeClient, type ComputeClientOptions, type Transport } from './compute/compute-client.js';
import { type Environment, resolveUrls, type ServerUrls } from './config/urls.js';
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
  /** Asked when there is no session, or when it cannot be refreshed. */
  readonly credentials?: (() => Credentials | undefined | Promise<Credentials | undefined>) | undefined;
  /** How ends of jobs are heard of, in order of preference. Default `['mqtt', 'sse']`; polling is what is left. */
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
  /** Undefined where MQTT is off, or cannot be spoken from here. */
  readonly mqtt: MqttConnection | undefined;

  constructor(options: ClServerOptions = {}) {
    this.urls = resolveUrls({ args: options.urls, env: options.env, file: options.file });
    const http = { ...options.http, headers: { ...userAgent(VERSION), ...options.http?.headers } };
    // Its own calls carry their token themselves, so that refreshing never waits for itself.
    const bare = new AuthClient({ ...http, baseUrl: this.urls.auth });
    this.session = new SessionManager({
      auth: bare,
      store: options.tokenStore,
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
  }

  /**
   * Ends subscriptions and the MQTT connection.
   *
   * @example
   * ```ts
   * await cl.close();
   * ```
   */
  async close(): Promise<void> {
    this.store.close();
    this.compute.close();
    await this.mqtt?.close();
  }
}

/** A browser has no TCP: there an `mqtt://` address is passed over, and jobs are followed over HTTP. */
const connectionTo = (url: string | null): MqttConnection | undefined =>
  url !== null && mqttSchemes.includes(new URL(url).protocol) ? new MqttConnection({ url }) : undefined;
