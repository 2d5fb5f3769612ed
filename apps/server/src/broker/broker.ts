/**
 * The embedded MQTT broker: aedes behind our access rules and limits. It keeps nothing on disk: after a restart the
 * services connect again and publish again what is to be retained.
 */
import { randomUUID } from 'node:crypto';
import type http from 'node:http';
import type net from 'node:net';
import type { Duplex } from 'node:stream';
import { AllowedHosts, type Logger } from '@cl-server/service-kit/program';
import {
  Aedes,
  type AedesPublishPacket,
  type AuthenticateError,
  type Client,
  type Subscription,
  type UnsubscribePacket,
} from 'aedes';
import { writeToStream } from 'mqtt-packet';
import type { Access, Identity } from './access.js';
import { Budgets } from './budget.js';
import { type Connection, Connections } from './connections.js';
import { ConnectionRefused, type Identify } from './identify.js';
import { BROKER_LIMITS, type BrokerLimits } from './limits.js';
import { closeServer, listen, portFault, type Serving, tcpServer, unixServer, webSocketServer } from './listeners.js';
import { limitReading } from './packet-reader.js';
import { BrokerMemory } from './retained.js';

export interface BrokerOptions {
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  /** Undefined: no WebSocket. 0: any free one. */
  readonly wsPort?: number | undefined;
  /** File of the Unix socket for the platform's own processes; undefined: none. */
  readonly socketPath?: string | undefined;
  /** Names and web origins that the WebSocket answers to. */
  readonly hosts?: AllowedHosts;
  readonly access: Access;
  readonly identify: Identify;
  readonly logger: Logger;
  readonly limits?: BrokerLimits;
}

export interface Broker {
  readonly port: number;
  readonly wsPort: number | undefined;
  close(): Promise<void>;
}

// Else the first packet makes a buffer for each of 65,536 numbers: 8 MB, for a broker that sends some packets in a second.
writeToStream.cacheNumbers = false;

/** MQTT 3.1.1 §1.5.3: a text with U+0000 ends the connection. */
const hasNull = (text: string | undefined): boolean => text?.includes('\0') ?? false;

const levelsOf = (filter: string): number => filter.split('/').length;

class EmbeddedBroker {
  readonly #options: BrokerOptions;
  readonly #limits: BrokerLimits;
  readonly #aedes: Aedes;
  readonly #connections: Connections;
  #sweeping: NodeJS.Timeout | undefined;

  constructor(options: BrokerOptions) {
    this.#options = options;
    this.#limits = options.limits ?? BROKER_LIMITS;
    this.#connections = new Connections(this.#limits, new Budgets());
    const { access, logger } = options;
    this.#aedes = new Aedes({
      persistence: new BrokerMemory(),
      connectTimeout: this.#limits.handshake,
      drainTimeout: 5_000,
      maxTopicLevels: this.#limits.filterLevels,
      preConnect: (client, packet, done) => {
        if ([packet.clientId, packet.username, packet.will?.topic].some(hasNull))
          return done(new Error('a text of CONNECT contains U+0000'), false);
        // No session outlives its connection: a queue for one who never comes back would grow without end.
        packet.clean = true;
        const connection = this.#connections.of(client.conn);
        if (connection) connection.keepalive = packet.keepalive ?? 0;
        done(null, true);
      },
      authenticate: (client, username, password, done) => {
        this.#authenticate(client, username, password?.toString()).then(
          () => done(null, true),
          (error: unknown) => {
            if (!(error instanceof ConnectionRefused)) logger.error({ err: error }, 'a connection was not identified');
            const refusal = error instanceof ConnectionRefused ? error : new ConnectionRefused(3, 'unexpected error');
            done(refusal as AuthenticateError, false);
          },
        );
      },
      authorizePublish: (client, packet, done) => {
        if (!client || hasNull(packet.topic) || !access.mayPublish(this.#identityOf(client), packet.topic))
          return done(new Error('may not publish on this topic'));
        access.note(packet.topic, packet.payload);
        done(null);
      },
      authorizeSubscribe: (client, subscription, done) => this.#authorizeSubscribe(client, subscription, done),
      authorizeForward: (client, packet) => this.#authorizeForward(client, packet),
      published: (packet, _client, done) => {
        access.forgetCleared(packet.topic, packet.payload);
        done(null);
      },
    });
    const recount = (client: Client | null): void => {
      const connection = client && this.#connections.of(client.conn);
      if (client && connection) this.#connections.countFilters(connection, Object.keys(subscriptionsOf(client)).length);
    };
    this.#aedes.on('subscribe', (_filters, client) => recount(client));
    this.#aedes.on('unsubscribe', (_filters, client) => recount(client));
    this.#aedes.on('clientError', (client, error) =>
      logger.debug({ client: client.id, err: error }, 'connection ended by an error'),
    );
    this.#aedes.on('connectionError', (_client, error) => logger.debug({ err: error }, 'connection refused'));
  }

  async #authenticate(client: Client, username: string | undefined, password: string | undefined): Promise<void> {
    const connection = this.#connections.of(client.conn);
    if (!connection) throw new ConnectionRefused(3, 'unknown connection');
    const identity = await this.#options.identify(username, password);
    this.#connections.admit(connection, identity);
    connection.client = client;
    client.id = namespaced(identity, client.id);
  }

  #identityOf(client: Client): Identity {
    return this.#connections.of(client.conn)?.identity ?? { kind: 'stranger' };
  }

  #authorizeSubscribe(
    client: Client,
    subscription: Subscription,
    done: (error: Error | null, subscription?: Subscription | null) => void,
  ): void {
    const connection = this.#connections.of(client.conn);
    const { topic } = subscription;
    if (hasNull(topic)) done(new Error('a topic filter contains U+0000'));
    else if (connection && this.#grants(client, connection, topic)) done(null, subscription);
    else if (connection && ++connection.refusals > this.#limits.refusals)
      done(new Error(`more than ${this.#limits.refusals} topic filters were refused`));
    else done(null, null);
  }

  #grants(client: Client, connection: Connection, filter: string): boolean {
    const { filterLength, filterLevels } = this.#limits;
    if (filter.length > filterLength || levelsOf(filter) > filterLevels) return false;
    if (!this.#options.access.maySubscribe(connection.identity, filter)) return false;
    if (filter in subscriptionsOf(client)) return true;
    if (!this.#connections.mayAddFilter(connection)) return false;
    this.#connections.countFilters(connection, connection.filters + 1);
    return true;
  }

  #authorizeForward(client: Client, packet: AedesPublishPacket): AedesPublishPacket | null {
    const connection = this.#connections.of(client.conn);
    if (!connection || !this.#options.access.mayReceive(connection.identity, packet.topic)) return null;
    // A retained message is read at the subscriber's own pace; a live one would make the others wait.
    if (!packet.retain && client.conn.writableLength > this.#limits.backlog[connection.identity.kind]) {
      this.#options.logger.warn({ client: client.id }, 'a subscriber that does not read was dropped');
      setImmediate(() => client.close()); // not in the middle of this message's round
      return null;
    }
    connection.lastMoved = performance.now();
    return packet;
  }

  /** Ends what nobody uses, and the subscriptions that only an ended token allowed. */
  #sweep(): void {
    for (const connection of this.#connections.sweep()) {
      const { client } = connection;
      if (!client) continue;
      const lost = Object.keys(subscriptionsOf(client)).filter(
        (filter) => !this.#options.access.maySubscribe(connection.identity, filter),
      );
      if (lost.length > 0)
        client.unsubscribe({ cmd: 'unsubscribe', unsubscriptions: lost } as UnsubscribePacket, () => undefined);
      this.#options.logger.debug({ client: client.id }, 'a token ended: its connection has the rights of a stranger');
    }
  }

  get serving(): Serving {
    return {
      limits: this.#limits,
      accept: (socket: net.Socket) => this.#connections.accept(socket),
      serve: (stream: Duplex, connection: Connection, request?: http.IncomingMessage) => {
        this.#connections.bind(stream, connection);
        limitReading(stream, {
          follower: connection.follower,
          spending: connection.spending,
          isTrusted: () => connection.identity.kind === 'service',
          readingStops: this.#limits.readingStops,
          onBytes: () => {
            connection.lastRead = performance.now();
            connection.lastMoved = connection.lastRead;
          },
        });
        this.#aedes.handle(stream as net.Socket, request as http.IncomingMessage);
      },
    };
  }

  async start(): Promise<void> {
    await this.#aedes.listen();
    this.#sweeping = setInterval(() => this.#sweep(), this.#limits.sweep);
  }

  close(): Promise<void> {
    clearInterval(this.#sweeping);
    return new Promise((resolve) => this.#aedes.close(() => resolve()));
  }
}

/** Aedes keeps a client's subscriptions by their filter, and tells so in no type. */
const subscriptionsOf = (client: Client): Readonly<Record<string, unknown>> =>
  (client as unknown as { subscriptions: Record<string, unknown> }).subscriptions;

/**
 * A client id that is in use takes the other connection over. So each user has ids of their own, services have theirs,
 * and a stranger's is nobody else's.
 */
function namespaced(identity: Identity, id: string): string {
  if (identity.kind === 'service') return `service:${id}`;
  return identity.kind === 'user' ? `user:${identity.id}:${id}` : `stranger:${randomUUID()}`;
}

/** @throws StartupError where a port cannot be opened */
export async function startBroker(options: BrokerOptions): Promise<Broker> {
  const { host, logger, socketPath, hosts = new AllowedHosts() } = options;
  const broker = new EmbeddedBroker(options);
  await broker.start();
  const { serving } = broker;
  const tcp = tcpServer(serving);
  const ws = options.wsPort === undefined ? undefined : webSocketServer(serving, hosts);
  const servers: (net.Server | http.Server)[] = ws ? [tcp, ws] : [tcp];
  try {
    if (socketPath !== undefined) servers.push(await unixServer(socketPath, serving));
    const port = await listen(tcp, { port: options.port, host });
    const wsPort = ws && (await listen(ws, { port: options.wsPort, host }));
    logger.info({ host, port, wsPort }, 'broker listens');
    return {
      port,
      wsPort,
      close: async () => {
        const closed = servers.map(closeServer);
        await broker.close();
        ws?.closeAllConnections();
        await Promise.all(closed);
      },
    };
  } catch (error) {
    await broker.close();
    for (const server of servers) server.close();
    throw portFault(error);
  }
}
