import { topicMatches } from '@cl-server/kit/topics';
import type { MqttClient } from 'mqtt';
import { mqttSchemes } from '#platform';
import { ConfigError, NetworkError } from '../errors.js';

export interface MqttConnectionOptions {
  /** `mqtt://`, `mqtts://`, `ws://` or `wss://`, with user and password if the broker wants them. */
  readonly url: string;
  readonly username?: string | undefined;
  /**
   * Asked for at every new connection and at regular times after it. If it has changed, as a token does, the connection is replaced
   * by one with the new password, without a gap.
   */
  readonly password?: (() => Promise<string | undefined>) | undefined;
  /** Milliseconds between two looks at the password. Default 5,000. */
  readonly passwordCheckMs?: number | undefined;
  /** Milliseconds to wait for the broker. Default 4,000. */
  readonly connectTimeoutMs?: number | undefined;
  /** Milliseconds for which a broker that was not there is not asked again. Default 10,000. */
  readonly coolDownMs?: number | undefined;
  /** Milliseconds for which the connection stays after the last subscription ended. Default 5,000. */
  readonly lingerMs?: number | undefined;
}

/** Called with each message under a filter; `retained` is true for one that was there before the subscription. */
export type MqttListener = (topic: string, payload: string, retained: boolean) => void;

/**
 * One connection to the broker, made when first needed, shared by all subscriptions, kept alive across losses by the
 * library, which also subscribes again. The MQTT library itself is loaded with the first connection.
 */
export class MqttConnection {
  readonly #options: MqttConnectionOptions;
  readonly #listeners = new Map<string, Set<MqttListener>>();
  readonly #lostListeners = new Set<() => void>();
  /** Filters whose end the broker has not confirmed yet. */
  readonly #leaving = new Map<string, Promise<unknown> | undefined>();
  #client: MqttClient | undefined;
  #connecting: Promise<MqttClient> | undefined;
  #deadUntil = 0;
  #linger: ReturnType<typeof setTimeout> | undefined;
  #passwordCheck: ReturnType<typeof setInterval> | undefined;

  constructor(options: MqttConnectionOptions) {
    const scheme = /^[a-z]+:/i.exec(options.url)?.[0].toLowerCase() ?? '';
    if (!mqttSchemes.includes(scheme))
      throw new ConfigError(`MQTT cannot be spoken at ${options.url} from here: use ${mqttSchemes.join(', ')}//`);
    this.#options = options;
  }

  get connected(): boolean {
    return this.#client?.connected ?? false;
  }

  /**
   * Waits until the broker is there.
   * @throws NetworkError if it is not, or lately was not
   * @example
   * ```ts
   * await cl.mqtt?.connect();
   * ```
   */
  async connect(): Promise<void> {
    await this.#connect();
  }

  /**
   * Called whenever the connection breaks. Gives back how to stop that.
   *
   * @example
   * ```ts
   * const stop = cl.mqtt?.onLost(() => console.log('the broker is gone'));
   * ```
   */
  onLost(listener: () => void): () => void {
    this.#lostListeners.add(listener);
    return () => this.#lostListeners.delete(listener);
  }

  /**
   * Resolves when the broker has agreed: whatever is published from then on arrives, retained messages first.
   * @returns how to end the subscription
   * @throws NetworkError
   * @example
   * ```ts
   * const stop = await cl.mqtt?.subscribe('store/+/items', (topic, payload) => console.log(topic, payload));
   * ```
   */
  async subscribe(filter: string, listener: MqttListener): Promise<() => void> {
    await this.#leaving.get(filter);
    const client = await this.#connect();
    const listeners = this.#listeners.get(filter) ?? new Set();
    this.#listeners.set(filter, listeners.add(listener));
    const leave = (): void => this.#leave(filter, listener);
    try {
      // Asked for again even if it is held already: only so does a further listener get the retained messages.
      const [grant] = await client.subscribeAsync(filter, { qos: 1 });
      if (grant && grant.qos > 2) throw new Error('the broker refused');
    } catch (cause) {
      leave();
      throw new NetworkError(`${filter} cannot be subscribed to`, this.#where, { cause });
    }
    return leave;
  }

  /**
   * Ends the connection with all its subscriptions.
   *
   * @example
   * ```ts
   * await cl.mqtt?.close();
   * ```
   */
  async close(): Promise<void> {
    clearTimeout(this.#linger);
    clearInterval(this.#passwordCheck);
    this.#listeners.clear();
    const client = this.#client;
    this.#client = undefined;
    this.#connecting = undefined;
    await client?.endAsync(true);
  }

  /** The address without its credentials, for messages. */
  get #where(): string {
    return this.#options.url.replace(/\/\/[^@/]*@/, '//');
  }

  /**
   * Nothing is sent at once: a caller that follows one job after the other would unsubscribe and subscribe immediately, and a
   * broker need not take the two in order.
   */
  #leave(filter: string, listener: MqttListener): void {
    if (!this.#listeners.get(filter)?.delete(listener)) return;
    clearTimeout(this.#linger);
    this.#linger = setTimeout(() => this.#sweep(), this.#options.lingerMs ?? 5_000);
  }

  /** Ends subscriptions that nobody listens to, and the connection with the last of them. */
  #sweep(): void {
    for (const [filter, listeners] of [...this.#listeners]) {
      if (listeners.size > 0) continue;
      this.#listeners.delete(filter);
      if (!this.connected) continue;
      const left = this.#client?.unsubscribeAsync(filter).catch(() => undefined);
      this.#leaving.set(
        filter,
        left?.finally(() => this.#leaving.delete(filter)),
      );
    }
    if (this.#listeners.size === 0) void this.close();
  }

  #connect(): Promise<MqttClient> {
    if (this.#client?.connected) return Promise.resolve(this.#client);
    if (this.#client || performance.now() < this.#deadUntil)
      return Promise.reject(new NetworkError(`The broker at ${this.#where} is not there`, this.#where));
    this.#connecting ??= this.#open().finally(() => {
      this.#connecting = undefined;
    });
    return this.#connecting;
  }

  async #open(): Promise<MqttClient> {
    const { password, coolDownMs = 10_000 } = this.#options;
    const secret = await password?.();
    try {
      this.#client = await this.#dial(secret);
    } catch (cause) {
      this.#deadUntil = performance.now() + coolDownMs;
      throw new NetworkError(`The broker at ${this.#where} is not there`, this.#where, { cause });
    }
    if (password) this.#replaceWhenChanged(password, secret);
    return this.#client;
  }

  /** Looks at the password regularly, and replaces the connection if it has changed. */
  #replaceWhenChanged(password: () => Promise<string | undefined>, first: string | undefined): void {
    let used = first;
    let busy = false;
    const look = async (): Promise<void> => {
      const next = await password();
      const old = this.#client;
      if (next === used || !old) return;
      const fresh = await this.#dial(next);
      try {
        for (const filter of this.#listeners.keys()) await fresh.subscribeAsync(filter, { qos: 1 });
        if (this.#client !== old) throw new Error('the connection was closed meanwhile');
      } catch (error) {
        await fresh.endAsync(true);
        throw error;
      }
      this.#client = fresh;
      used = next;
      await old.endAsync(true);
    };
    clearInterval(this.#passwordCheck);
    this.#passwordCheck = setInterval(() => {
      if (busy) return;
      busy = true;
      // The old connection stays until a later look succeeds.
      look()
        .catch(() => undefined)
        .finally(() => {
          busy = false;
        });
    }, this.#options.passwordCheckMs ?? 5_000);
  }

  async #dial(secret: string | undefined): Promise<MqttClient> {
    const { url, username, connectTimeoutMs = 4_000 } = this.#options;
    const { default: mqtt } = await import('mqtt');
    const client = mqtt.connect(url, {
      // 3.1.1: the platform's own broker speaks nothing later.
      protocolVersion: 4,
      clean: true,
      keepalive: 30,
      reconnectPeriod: 1_000,
      connectTimeout: connectTimeoutMs,
      resubscribe: true,
      ...(username !== undefined && { username }),
      ...(secret !== undefined && { password: secret }),
    });
    try {
      await new Promise<void>((resolve, reject) => {
        const timer = setTimeout(() => reject(new Error('no answer in time')), connectTimeoutMs);
        const finish = (end: () => void) => (): void => {
          clearTimeout(timer);
          end();
        };
        client.once('connect', finish(resolve));
        client.once('error', (error) => finish(() => reject(error))());
        client.once(
          'close',
          finish(() => reject(new Error('the connection was closed'))),
        );
      });
    } catch (cause) {
      client.on('error', () => undefined);
      await client.endAsync(true);
      throw cause;
    }
    this.#listen(client);
    return client;
  }

  #listen(client: MqttClient): void {
    // The library tries again by itself; without a listener an error would end the process.
    client.on('error', () => undefined);
    client.on('close', () => {
      const isReplaced = this.#client !== undefined && this.#client !== client;
      if (isReplaced) return;
      for (const listener of [...this.#lostListeners]) listener();
    });
    client.on('message', (topic, payload, packet) => {
      const text = new TextDecoder().decode(payload);
      for (const [filter, listeners] of [...this.#listeners])
        if (topicMatches(filter, topic)) for (const listener of [...listeners]) listener(topic, text, packet.retain);
    });
  }
}
