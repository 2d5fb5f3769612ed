import type { IClientOptions, MqttClient } from 'mqtt';
import type { Logger } from '../logging/logger.js';
import { type Broadcaster, type MessageListener, topicMatches } from './broadcaster.js';

export interface MqttOptions {
  /** `mqtt://host:port`, `mqtts://`, `ws://` or `wss://`. */
  readonly url: string;
  readonly username?: string | undefined;
  readonly password?: string | undefined;
  readonly clientId?: string;
  /** Published by the broker when this connection breaks; sent in CONNECT. */
  readonly will?: { readonly topic: string; readonly payload: string; readonly retain: boolean };
  readonly logger: Logger;
  /** Protocol level: 4 is MQTT 3.1.1, which every broker speaks. */
  readonly protocolVersion?: 4 | 5;
}

interface Subscription {
  readonly filter: string;
  readonly listener: MessageListener;
}

const CONNECT_WAIT = 5_000;

function connectionOptions(options: MqttOptions): IClientOptions {
  return {
    protocolVersion: options.protocolVersion ?? 4,
    clean: true,
    keepalive: 30,
    reconnectPeriod: 1000,
    connectTimeout: CONNECT_WAIT,
    resubscribe: true,
    queueQoSZero: false,
    ...(options.clientId !== undefined && { clientId: options.clientId }),
    ...(options.username !== undefined && { username: options.username }),
    ...(options.password !== undefined && { password: options.password }),
    ...(options.will && {
      will: {
        topic: options.will.topic,
        payload: Buffer.from(options.will.payload),
        qos: 1 as const,
        retain: options.will.retain,
      },
    }),
  };
}

class MqttBroadcaster implements Broadcaster {
  readonly #client: MqttClient;
  readonly #logger: Logger;
  readonly #subscriptions = new Set<Subscription>();
  readonly #connectListeners = new Set<() => void>();
  /** Publishes whose acknowledgement is awaited; a connection that breaks answers them all with no. */
  readonly #unanswered = new Set<(delivered: boolean) => void>();
  #lostAt: number | undefined;
  #closing = false;

  constructor(client: MqttClient, logger: Logger) {
    this.#client = client;
    this.#logger = logger;
    client.on('connect', () => {
      // Small messages in both directions: Nagle's algorithm would hold each back for a round trip.
      (client.stream as { setNoDelay?: (on: boolean) => void }).setNoDelay?.(true);
      if (this.#lostAt !== undefined) logger.info('broker reached again');
      this.#lostAt = undefined;
      for (const listener of this.#connectListeners) listener();
    });
    client.on('close', () => {
      for (const answer of this.#unanswered) answer(false);
      if (this.#closing) return;
      if (this.#lostAt === undefined) logger.warn('broker lost; reconnecting, clients poll meanwhile');
      this.#lostAt ??= Date.now();
    });
    client.on('error', (error) => logger.debug({ err: error }, 'broker connection failed'));
    client.on('message', (topic, payload, packet) => {
      for (const { filter, listener } of [...this.#subscriptions])
        if (topicMatches(filter, topic)) this.#deliver(listener, topic, payload, packet.retain);
    });
  }

  #deliver(listener: MessageListener, topic: string, payload: Buffer, retained: boolean): void {
    try {
      listener(topic, payload, retained);
    } catch (error) {
      this.#logger.error({ err: error, topic }, 'a listener failed on a message');
    }
  }

  get connected(): boolean {
    return this.#client.connected;
  }

  async publish(
    topic: string,
    payload: unknown,
    { qos = 1, retain = false }: { qos?: 0 | 1; retain?: boolean } = {},
  ): Promise<boolean> {
    if (!this.#client.connected) return false;
    const bytes = typeof payload === 'string' ? payload : JSON.stringify(payload);
    return new Promise((resolve) => {
      const answer = (delivered: boolean): void => {
        this.#unanswered.delete(answer);
        resolve(delivered);
      };
      this.#unanswered.add(answer);
      this.#client.publish(topic, bytes, { qos, retain }, (error) => {
        if (error) this.#logger.debug({ err: error, topic }, 'message not delivered');
        answer(!error);
      });
    });
  }

  clearRetained(topic: string): Promise<boolean> {
    return this.publish(topic, '', { qos: 1, retain: true });
  }

  async subscribe(filter: string, listener: MessageListener): Promise<() => Promise<void>> {
    const subscription = { filter, listener };
    this.#subscriptions.add(subscription);
    // Not connected: the client keeps the request and sends it with the next CONNECT.
    const sent = this.#client.subscribeAsync(filter, { qos: 1 }).catch((error) => {
      this.#logger.warn({ err: error, filter }, 'subscription refused');
    });
    if (this.#client.connected) await sent;
    return async () => {
      this.#subscriptions.delete(subscription);
      if ([...this.#subscriptions].some((other) => other.filter === filter)) return;
      if (this.#client.connected) await this.#client.unsubscribeAsync(filter).catch(() => undefined);
    };
  }

  onConnect(listener: () => void): () => void {
    this.#connectListeners.add(listener);
    if (this.#client.connected) listener();
    return () => {
      this.#connectListeners.delete(listener);
    };
  }

  async close(): Promise<void> {
    this.#closing = true;
    this.#subscriptions.clear();
    await this.#client.endAsync(!this.#client.connected).catch(() => undefined);
  }
}

/**
 * Connects to a broker, waiting at most five seconds; a broker that is not there is tried again in the background, for
 * as long as the process lives.
 */
export async function connectBroadcaster(options: MqttOptions): Promise<Broadcaster> {
  const { default: mqtt } = await import('mqtt'); // not loaded where there is no broker
  const client = mqtt.connect(options.url, connectionOptions(options));
  const broadcaster = new MqttBroadcaster(client, options.logger);
  await new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, CONNECT_WAIT);
    const go = (): void => {
      clearTimeout(timer);
      resolve();
    };
    client.once('connect', go);
    client.once('close', go);
  });
  return broadcaster;
}
