/**
 * Live events over MQTT. The client of the library reconnects by itself, but can come to rest for ever between two
 * connections, or stay connected to a broker that answers nothing; so a watchdog replaces it:
 *
 * ```
 * waiting --connect--> connected --close--> waiting
 *    |                     |
 *    +--60 s in a row      +--a publish without an answer for 20 s
 *    +---------> the client is replaced by a new one (waiting) <-------+
 * ```
 */

import net from 'node:net';
import { topicMatches } from '@cl-server/kit';
import type { IClientOptions, MqttClient } from 'mqtt';
import type { Logger } from '../logging/logger.js';
import type { Broadcaster, MessageListener } from './broadcaster.js';

export interface MqttOptions {
  /** `mqtt://host:port`, `mqtts://`, `ws://` or `wss://`. */
  readonly url: string;
  /** A Unix socket of the same broker, which is used instead. */
  readonly socketPath?: string | undefined;
  readonly username?: string | undefined;
  readonly password?: string | undefined;
  readonly clientId?: string;
  /** Published by the broker when this connection breaks; sent in CONNECT. */
  readonly will?: { readonly topic: string; readonly payload: string; readonly retain: boolean };
  readonly logger: Logger;
  /** Protocol level: 4 is MQTT 3.1.1, which every broker speaks. */
  readonly protocolVersion?: 4 | 5;
  /** Milliseconds to wait for the first connection; 0: not at all, it comes in the background. */
  readonly wait?: number;
  readonly watchdog?: Watchdog;
}

/** In milliseconds. */
export interface Watchdog {
  /** A client that is not connected for this long is replaced. */
  readonly unconnected: number;
  /** A client whose publish has no answer for this long is replaced. */
  readonly unanswered: number;
  /** Between two looks. */
  readonly interval: number;
}

interface Subscription {
  readonly filter: string;
  readonly listener: MessageListener;
}

interface Pending {
  readonly since: number;
  answer(delivered: boolean): void;
}

const CONNECT_WAIT = 5_000;
const WATCHDOG: Watchdog = { unconnected: 60_000, unanswered: 20_000, interval: 5_000 };
/** Filters in one SUBSCRIBE: together they stay far below the size that a broker takes. */
const FILTERS_AT_ONCE = 100;

function connectionOptions(options: MqttOptions): IClientOptions {
  return {
    protocolVersion: options.protocolVersion ?? 4,
    clean: true,
    keepalive: 30,
    reconnectPeriod: 1000,
    connectTimeout: CONNECT_WAIT,
    // Subscriptions belong to the broadcaster, which outlives the client.
    resubscribe: false,
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
  readonly #connect: () => MqttClient;
  readonly #logger: Logger;
  readonly #watchdog: Watchdog;
  readonly #watching: NodeJS.Timeout;
  readonly #subscriptions = new Set<Subscription>();
  readonly #connectListeners = new Set<() => void>();
  /** Publishes whose acknowledgement is awaited; a connection that breaks answers them all with no. */
  readonly #unanswered = new Set<Pending>();
  #client: MqttClient;
  #isLost = false;
  /** Since when this client has not been connected. */
  #waitsSince: number | undefined = performance.now();
  #closing = false;

  constructor(connect: () => MqttClient, logger: Logger, watchdog: Watchdog) {
    this.#connect = connect;
    this.#logger = logger;
    this.#watchdog = watchdog;
    this.#client = this.#newClient();
    this.#watching = setInterval(() => this.#watch(), watchdog.interval);
    this.#watching.unref();
  }

  #newClient(): MqttClient {
    const client = this.#connect();
    client.on('connect', () => {
      // Small messages in both directions: Nagle's algorithm would hold each back for a round trip.
      (client.stream as { setNoDelay?: (on: boolean) => void }).setNoDelay?.(true);
      if (this.#isLost) this.#logger.info('connected to the broker again');
      this.#isLost = false;
      this.#waitsSince = undefined;
      this.#resubscribe(client);
      for (const listener of this.#connectListeners) listener();
    });
    client.on('close', () => {
      if (client !== this.#client) return;
      this.#answerAll();
      if (this.#closing) return;
      if (!this.#isLost) this.#logger.warn('connection to the broker lost; reconnecting, clients poll meanwhile');
      this.#isLost = true;
      this.#waitsSince ??= performance.now();
    });
    client.on('error', (error) => this.#logger.debug({ err: error }, 'broker connection failed'));
    client.on('message', (topic, payload, packet) => {
      for (const { filter, listener } of [...this.#subscriptions])
        if (topicMatches(filter, topic)) this.#deliver(listener, topic, payload, packet.retain);
    });
    return client;
  }

  #answerAll(): void {
    for (const { answer } of [...this.#unanswered]) answer(false);
  }

  #resubscribe(client: MqttClient): void {
    const filters = [...new Set([...this.#subscriptions].map(({ filter }) => filter))];
    for (let at = 0; at < filters.length; at += FILTERS_AT_ONCE)
      client.subscribe(filters.slice(at, at + FILTERS_AT_ONCE), { qos: 1 }, (error) => {
        if (error) this.#logger.warn({ err: error }, 'subscriptions refused');
      });
  }

  #watch(): void {
    const now = performance.now();
    const [oldest] = this.#unanswered;
    if (this.#waitsSince !== undefined && now - this.#waitsSince >= this.#watchdog.unconnected)
      this.#replace('no connection came about');
    else if (oldest && now - oldest.since >= this.#watchdog.unanswered) this.#replace('the broker answers no publish');
  }

  #replace(why: string): void {
    this.#logger.warn(`the MQTT client is replaced by a new one: ${why}`);
    const old = this.#client;
    old.removeAllListeners();
    old.on('error', () => undefined);
    old.end(true);
    this.#answerAll();
    this.#isLost = true;
    this.#waitsSince = performance.now();
    this.#client = this.#newClient();
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
      const pending: Pending = {
        since: performance.now(),
        answer: (delivered) => {
          this.#unanswered.delete(pending);
          resolve(delivered);
        },
      };
      this.#unanswered.add(pending);
      this.#client.publish(topic, bytes, { qos, retain }, (error) => {
        if (error) this.#logger.debug({ err: error, topic }, 'message not delivered');
        pending.answer(!error);
      });
    });
  }

  clearRetained(topic: string): Promise<boolean> {
    return this.publish(topic, '', { qos: 1, retain: true });
  }

  async subscribe(filter: string, listener: MessageListener): Promise<() => Promise<void>> {
    const subscription = { filter, listener };
    this.#subscriptions.add(subscription);
    // Not connected: it is sent after the next CONNECT.
    if (this.#client.connected)
      await this.#client.subscribeAsync(filter, { qos: 1 }).catch((error: unknown) => {
        this.#logger.warn({ err: error, filter }, 'subscription refused');
      });
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
    clearInterval(this.#watching);
    this.#subscriptions.clear();
    await this.#client.endAsync(!this.#client.connected).catch(() => undefined);
  }
}

/** The library, which is not loaded where there is no broker. */
async function loadMqtt() {
  const [{ default: mqtt }, { default: packets }] = await Promise.all([import('mqtt'), import('mqtt-packet')]);
  // Else the first packet makes a buffer for each of 65,536 numbers, which is 8 MB that no process of ours makes up for.
  packets.writeToStream.cacheNumbers = false;
  return mqtt;
}

/**
 * Connects to a broker, waiting at most five seconds, or as told; a broker that is not there is tried again in the
 * background, for as long as the process lives.
 */
export async function connectBroadcaster(options: MqttOptions): Promise<Broadcaster> {
  const mqtt = await loadMqtt();
  const { url, socketPath, logger, wait = CONNECT_WAIT, watchdog = WATCHDOG } = options;
  const connect = (): MqttClient =>
    socketPath === undefined
      ? mqtt.connect(url, connectionOptions(options))
      : new mqtt.MqttClient(() => net.connect(socketPath), connectionOptions(options));
  let first: MqttClient | undefined;
  const broadcaster = new MqttBroadcaster(
    () => {
      const client = connect();
      first ??= client;
      return client;
    },
    logger,
    watchdog,
  );
  if (wait > 0)
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, wait);
      const go = (): void => {
        clearTimeout(timer);
        resolve();
      };
      first?.once('connect', go);
      first?.once('close', go);
    });
  return broadcaster;
}
