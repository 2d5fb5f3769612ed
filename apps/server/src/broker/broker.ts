/**
 * The embedded MQTT broker: aedes behind access rules and limits. It stores nothing on disk; after a restart the services
 * connect again and publish their retained messages again.
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
import { Door, hasLeft } from './door.js';
import { ConnectionRefused, type Identify } from './identify.js';
import { BROKER_LIMITS, type BrokerLimits } from './limits.js';
import { closeServer, listen, portFault, type Serving, tcpServer, unixServer, webSocketServer } from './listeners.js';
import { limitReading } from './packet-reader.js';
import { BrokerMemory } from './retained.js';

export interface BrokerOptions {
  readonly host: string;
  /** 0 selects a free port. */
  readonly port: number;
  /** Undefined: no WebSocket. 0 selects a free port. */
  readonly wsPort?: number | undefined;
  /** The path of the Unix socket for the platform's own processes; undefined: none. */
  readonly socketPath?: string | undefined;
  /** The host names and web origins that the WebSocket accepts. */
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

// Otherwise the first packet creates a buffer for each of 65,536 numbers: 8 MB, although the broker sends only a few packets per second.
writeToStream.cacheNumbers = false;

/** MQTT 3.1.1 §1.5.3: a text that contains U+0000 ends the connection. */
const hasNull = (text: string | undefined): boolean => text?.includes('\0') ?? false;

const levelsOf = (filter: string): number => filter.split('/').length;

class EmbeddedBroker {
  readonly #options: BrokerOptions;
  readonly #limits: BrokerLimits;
  readonly #aedes: Aedes;
  readonly #connections: Connections;
  readonly #door: Door;
  #sweeping: NodeJS.Timeout | undefined;

  constructor(options: BrokerOptions) {
    this.#options = options;
    this.#limits = options.limits ?? BROKER_LIMITS;
    const budgets = new Budgets();
    this.#connections = new Connections(this.#limits, budgets);
    this.#door = new Door({ limits: this.#limits, budget: budgets.newcomers });
    const { access, logger } = options;
    this.#aedes = new Aedes({
      persistence: new BrokerMemory(),
      connectTimeout: this.#limits.handshake,
      drainTimeout: 5_000,
      maxTopicLevels: this.#limits.filterLevels,
      preConnect: (client, packet, done) => {
        if ([packet.clientId, packet.username, packet.will?.topic].some(hasNull))
          return done(new Error('a text in CONNECT contains U+0000'), false);
        // No session outlives its connection, because the queue of a client that never returns would grow without limit.
        packet.clean = true;
        const connection = this.#connections.of(client.conn);
        if (connection) connection.keepalive = packet.keepalive ?? 0;
        done(null, true);
      },
      authenticate: (client, username, password, done) => {
        this.#authenticate(client, username, password?.toString()).then(
          () => done(null, true),
          (error: unknown) => {
            if (!(error instanceof ConnectionRefused)) logger.error({ err: error }, 'could not identify a connection');
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
      logger.debug({ client: client.id, err: error }, 'a connection was closed by an error'),
    );
    this.#aedes.on('connectionError', (_client, error) => logger.debug({ err: error }, 'a connection was refused'));
  }

  async #authenticate(client: Client, username: string | undefined, password: string | undefined): Promise<void> {
    const connection = this.#connections.of(client.conn);
    if (!connection) throw new ConnectionRefused(3, 'unknown connection');
    const identity = await this.#options.identify(username, password);
    this.#connections.admit(connection, identity);
    this.#door.leave(connection);
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
    // Retained messages are read at the subscriber's own pace; a live message would make the other subscribers wait.
    if (!packet.retain && client.conn.writableLength > this.#limits.backlog[connection.identity.kind]) {
      this.#options.logger.warn({ client: client.id }, 'dropped a subscriber that does not read');
      setImmediate(() => client.close()); // not during the delivery of this message
      return null;
    }
    connection.lastMoved = performance.now();
    return packet;
  }

  /** Closes idle connections, and ends the subscriptions that only an expired token allowed. */
  #sweep(): void {
    for (const connection of this.#connections.sweep()) {
      const { client } = connection;
      if (!client) continue;
      const lost = Object.keys(subscriptionsOf(client)).filter(
        (filter) => !this.#options.access.maySubscribe(connection.identity, filter),
      );
      if (lost.length > 0)
        client.unsubscribe({ cmd: 'unsubscribe', unsubscriptions: lost } as UnsubscribePacket, () => undefined);
      this.#options.logger.debug(
        { client: client.id },
        'a token expired or was revoked: its connection now has the rights of a stranger',
      );
    }
  }

  get serving(): Serving {
    return {
      limits: this.#limits,
      accept: (socket, open) => {
        const connection = this.#connections.accept(socket);
        this.#door.enter(connection, () => open(connection));
      },
      acceptOwn: (socket) => this.#connections.accept(socket, true),
      serve: (stream: Duplex, connection: Connection, request?: http.IncomingMessage) => {
        this.#connections.bind(stream, connection);
        limitReading(stream, {
          follower: connection.follower,
          spending: connection.spending,
          isTrusted: () => connection.isOwn || connection.identity.kind === 'service',
          readingStops: this.#limits.readingStops,
          isLost: () => connection.identity.kind === 'stranger' && hasLeft(connection.socket),
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
    this.#door.close();
    return new Promise((resolve) => this.#aedes.close(() => resolve()));
  }
}

/** Aedes stores a client's subscriptions by their filter, which its types do not show. */
const subscriptionsOf = (client: Client): Readonly<Record<string, unknown>> =>
  (client as unknown as { subscriptions: Record<string, unknown> }).subscriptions;

/**
 * A client that connects with an id in use takes the other connection over. Therefore each user and the services
 * have separate ids, and a stranger gets an id that nobody else has.
 */
function namespaced(identity: Identity, id: string): string {
  if (identity.kind === 'service') return `service:${id}`;
  return identity.kind === 'user' ? `user:${identity.id}:${id}` : `stranger:${randomUUID()}`;
}

/** @throws StartupError if a port cannot be opened */
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
    logger.info({ host, port, wsPort }, 'ready');
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
