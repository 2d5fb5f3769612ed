import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import net from 'node:net';
import path from 'node:path';
import { SERVICE_MQTT_USER, TOKEN_ISSUER } from '@cl-server/contract';
import { AllowedHosts, type KeySource, noRevocations, silentLogger, TokenVerifier } from '@cl-server/service-kit';
import { tempDir } from '@cl-server/testing';
import mqtt, { type IClientOptions, type MqttClient } from 'mqtt';
import { Access } from '../../src/broker/access.js';
import { type Broker, startBroker } from '../../src/broker/broker.js';
import { createIdentify } from '../../src/broker/identify.js';
import { BROKER_LIMITS, type BrokerLimits } from '../../src/broker/limits.js';

/** A text as long as a key's thumbprint, like real ids. */
const KEY_ID = 'key-of-the-tests'.padEnd(43, '-');
export const CREDENTIAL = 'the services’ own secret';

const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');

interface TokenOf {
  is_admin?: boolean;
  permissions?: string[];
  expiresIn?: number;
}

/** Signs tokens as the auth service does, and provides their key. */
export class TestKeys implements KeySource {
  readonly #pair = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  known = true;

  token(claims: { id: string; ver?: number } & TokenOf): string {
    const { expiresIn = 600, ...rest } = claims;
    const head = encode({ alg: 'ES256', typ: 'JWT', kid: KEY_ID });
    const body = encode({
      iss: TOKEN_ISSUER,
      exp: Math.floor(Date.now() / 1000) + expiresIn,
      permissions: [],
      ...rest,
    });
    const signature = sign('sha256', Buffer.from(`${head}.${body}`), {
      key: this.#pair.privateKey,
      dsaEncoding: 'ieee-p1363',
    });
    return `${head}.${body}.${signature.toString('base64url')}`;
  }

  async get(kid: string): Promise<KeyObject | undefined> {
    return this.known && kid === KEY_ID ? this.#pair.publicKey : undefined;
  }
  onChange(): void {}
  ready(): boolean {
    return this.known;
  }
  close(): void {}
}

export class TestBroker {
  readonly #limits: BrokerLimits;
  readonly #dir = tempDir('cl-broker-');
  readonly keys = new TestKeys();
  /** A test changes this clock to let tokens expire. */
  clock = () => Date.now();
  /** Maps a user id to the lowest valid generation of tokens. */
  readonly minVersions = new Map<string, number>();
  readonly #clients: MqttClient[] = [];
  #broker: Broker | undefined;

  constructor(limits: Partial<BrokerLimits> = {}) {
    this.#limits = { ...BROKER_LIMITS, ...limits };
  }

  /** The credential of the platform's own processes. */
  get socketPath(): string {
    return path.join(this.#dir.path, 'broker.sock');
  }

  async start(): Promise<this> {
    const revocations = { ...noRevocations, minVersion: (id: string) => this.minVersions.get(id) ?? 0 };
    this.#broker = await startBroker({
      host: '127.0.0.1',
      port: 0,
      wsPort: 0,
      socketPath: this.socketPath,
      limits: this.#limits,
      hosts: new AllowedHosts({ names: ['photos.example.org'], ownNames: [] }),
      access: new Access({ jobEvents: 'inference/events', workers: 'inference/workers' }),
      identify: createIdentify({
        credential: CREDENTIAL,
        verifier: new TokenVerifier({ keys: this.keys, now: () => this.clock() }),
        revocations,
        keysReady: () => this.keys.ready(),
        now: () => this.clock(),
      }),
      logger: silentLogger(),
    });
    return this;
  }

  get port(): number {
    return this.#broker?.port ?? 0;
  }

  get wsPort(): number {
    return this.#broker?.wsPort ?? 0;
  }

  /** A client that connects once. @throws Error if it is refused */
  async connect(options: IClientOptions = {}, url = `mqtt://127.0.0.1:${this.port}`): Promise<TestClient> {
    const client = await mqtt.connectAsync(url, { protocolVersion: 4, reconnectPeriod: 0, ...options }, false);
    this.#clients.push(client);
    return new TestClient(client);
  }

  service(): Promise<TestClient> {
    return this.connect({ username: SERVICE_MQTT_USER, password: CREDENTIAL });
  }

  /** A service that connects through the platform's own socket. */
  async ownService(): Promise<TestClient> {
    const client = new mqtt.MqttClient(() => net.connect(this.socketPath), {
      protocolVersion: 4,
      reconnectPeriod: 0,
      username: SERVICE_MQTT_USER,
      password: CREDENTIAL,
    });
    this.#clients.push(client);
    const connected = new TestClient(client);
    await new Promise((resolve, reject) => client.once('connect', resolve).once('error', reject));
    return connected;
  }

  user(id: string, more: TokenOf = {}, options: IClientOptions = {}): Promise<TestClient> {
    return this.connect({ username: id, password: this.keys.token({ id, ...more }), ...options });
  }

  async stop(): Promise<void> {
    for (const client of this.#clients) await client.endAsync(true);
    await this.#broker?.close();
    this.#dir.remove();
  }
}

export interface Received {
  readonly topic: string;
  readonly text: string;
  readonly retained: boolean;
}

export class TestClient {
  readonly received: Received[] = [];
  readonly #waiting: { matches: (message: Received) => boolean; resolve: (message: Received) => void }[] = [];

  constructor(readonly mqtt: MqttClient) {
    mqtt.on('error', () => undefined);
    mqtt.on('message', (topic, payload, packet) => {
      const message = { topic, text: payload.toString(), retained: packet.retain };
      this.received.push(message);
      for (const waiter of [...this.#waiting]) if (waiter.matches(message)) waiter.resolve(message);
    });
  }

  /** The granted QoS, or 128 if the broker refused. */
  async subscribe(filter: string): Promise<number> {
    const granted = await this.mqtt.subscribeAsync(filter, { qos: 1 }).catch(() => [{ qos: 128 }]);
    return Number(granted[0]?.qos ?? 128);
  }

  publish(topic: string, text: string, retain = false): Promise<unknown> {
    return this.mqtt.publishAsync(topic, text, { qos: 1, retain });
  }

  /** The first message on a topic, past or future. */
  next(topic: string, text?: string): Promise<Received> {
    const matches = (message: Received): boolean =>
      message.topic === topic && (text === undefined || message.text === text);
    const already = this.received.find(matches);
    if (already) return Promise.resolve(already);
    return new Promise((resolve) => this.#waiting.push({ matches, resolve }));
  }

  closed(): Promise<void> {
    return new Promise((resolve) => {
      if (!this.mqtt.connected) resolve();
      else this.mqtt.once('close', () => resolve());
    });
  }
}
