/**
 * The embedded MQTT broker: aedes behind our access rules, on TCP and WebSocket. It keeps nothing on disk: after a
 * restart the services connect again and publish anew what is to be retained.
 */
import { randomUUID } from 'node:crypto';
import http from 'node:http';
import net from 'node:net';
import type { Duplex } from 'node:stream';
import { SERVICE_MQTT_USER } from '@cl-server/contract/constants';
import { type Logger, StartupError } from '@cl-server/runtime/program';
import { Aedes, type Client } from 'aedes';
import { createWebSocketStream, WebSocketServer } from 'ws';
import type { Access, Identity } from './access.js';
import { ConnectionRefused, type Identify } from './identify.js';
import { limitPackets, PacketLimit } from './packet-limit.js';

export interface BrokerOptions {
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  /** Undefined: no WebSocket. 0: any free one. */
  readonly wsPort?: number | undefined;
  readonly access: Access;
  readonly identify: Identify;
  readonly logger: Logger;
  readonly maxConnections?: number;
}

export interface Broker {
  readonly port: number;
  readonly wsPort: number | undefined;
  close(): Promise<void>;
}

/** Strangers send a CONNECT with a token of at most 8 KB, and short SUBSCRIBEs; services send whole jobs. */
const STRANGER_PACKET = 65_536;
const SERVICE_PACKET = 4_194_304;
/**
 * A subscriber with this much unread is dropped. It stays below the streams' high-water mark: beyond that aedes makes
 * every other subscriber wait for the slow one.
 */
const MAX_BACKLOG = 524_288;
const HIGH_WATER_MARK = 1_048_576;

interface Connection {
  readonly limit: PacketLimit;
  identity: Identity;
}

class EmbeddedBroker {
  readonly #options: BrokerOptions;
  readonly #aedes: Aedes;
  readonly #connections = new WeakMap<Duplex, Connection>();

  constructor(options: BrokerOptions) {
    this.#options = options;
    const { access, logger } = options;
    this.#aedes = new Aedes({
      connectTimeout: 10_000,
      drainTimeout: 5_000,
      maxTopicLevels: 16,
      preConnect: (_client, packet, done) => {
        // No session outlives its connection: a queue for one who never comes back would grow without end.
        packet.clean = true;
        // Nobody can take over a service's connection by using its client id.
        const side = packet.username === SERVICE_MQTT_USER ? 's' : 'c';
        packet.clientId = `${side}:${packet.clientId || randomUUID()}`;
        done(null, true);
      },
      authenticate: (client, username, password, done) => {
        this.#authenticate(client, username, password?.toString()).then(
          () => done(null, true),
          (error: unknown) => {
            if (!(error instanceof ConnectionRefused)) logger.error({ err: error }, 'a connection was not identified');
            const refusal = error instanceof ConnectionRefused ? error : new ConnectionRefused(3, 'unexpected error');
            done(Object.assign(refusal, { returnCode: refusal.returnCode as never }), false);
          },
        );
      },
      authorizePublish: (client, packet, done) => {
        if (!client || !access.mayPublish(this.#identityOf(client), packet.topic))
          return done(new Error(`may not publish on ${packet.topic}`));
        access.noteOwner(packet.topic, packet.payload);
        done(null);
      },
      authorizeSubscribe: (client, subscription, done) =>
        done(null, access.maySubscribe(this.#identityOf(client), subscription.topic) ? subscription : null),
      authorizeForward: (client, packet) => {
        if (!access.mayReceive(this.#identityOf(client), packet.topic)) return null;
        // A retained message is read at the subscriber's own pace; a live one would make the others wait.
        if (!packet.retain && client.conn.writableLength > MAX_BACKLOG) {
          logger.warn({ client: client.id }, 'a subscriber that does not read was dropped');
          setImmediate(() => client.close()); // not in the middle of this message's round
          return null;
        }
        return packet;
      },
      published: (packet, _client, done) => {
        access.forgetCleared(packet.topic, packet.payload);
        done(null);
      },
    });
    this.#aedes.on('clientError', (client, error) =>
      logger.debug({ client: client.id, err: error }, 'connection ended by an error'),
    );
    this.#aedes.on('connectionError', (_client, error) => logger.debug({ err: error }, 'connection refused'));
  }

  async #authenticate(client: Client, username: string | undefined, password: string | undefined): Promise<void> {
    const connection = this.#connections.get(client.conn);
    if (!connection) throw new ConnectionRefused(3, 'unknown connection');
    connection.identity = await this.#options.identify(username, password);
    if (connection.identity.kind === 'service') connection.limit.max = SERVICE_PACKET;
  }

  #identityOf(client: Client): Identity {
    return this.#connections.get(client.conn)?.identity ?? { kind: 'stranger' };
  }

  /** Takes a new connection over. */
  readonly serve = (stream: Duplex, request?: http.IncomingMessage): void => {
    const limit = new PacketLimit(STRANGER_PACKET);
    this.#connections.set(stream, { limit, identity: { kind: 'stranger' } });
    limitPackets(stream, limit);
    this.#aedes.handle(stream as net.Socket, request as http.IncomingMessage);
  };

  async start(): Promise<void> {
    await this.#aedes.listen();
  }

  close(): Promise<void> {
    return new Promise((resolve) => this.#aedes.close(() => resolve()));
  }
}

const listen = (server: net.Server, port: number, host: string): Promise<number> =>
  new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.off('error', reject);
      resolve((server.address() as net.AddressInfo).port);
    });
  });

const closeServer = (server: net.Server): Promise<void> => new Promise((resolve) => server.close(() => resolve()));

function webSocketServer(broker: EmbeddedBroker, maxConnections: number): http.Server {
  const server = http.createServer((_request, response) => {
    response.writeHead(426, { 'content-type': 'text/plain', connection: 'close' });
    response.end('MQTT over WebSocket only\n');
  });
  server.maxConnections = maxConnections;
  const sockets = new WebSocketServer({
    server,
    maxPayload: SERVICE_PACKET + 16,
    perMessageDeflate: false,
    handleProtocols: (offered) => ['mqtt', 'mqttv3.1'].find((name) => offered.has(name)) ?? false,
  });
  sockets.on('error', () => undefined); // the HTTP server reports it, where it is handled
  sockets.on('connection', (socket, request) => {
    request.socket.setNoDelay(true);
    const stream = createWebSocketStream(socket, { writableHighWaterMark: HIGH_WATER_MARK });
    broker.serve(stream, request);
  });
  return server;
}

/** @throws StartupError where a port cannot be opened */
export async function startBroker(options: BrokerOptions): Promise<Broker> {
  const { host, maxConnections = 1_000, logger } = options;
  const broker = new EmbeddedBroker(options);
  await broker.start();
  // Without noDelay Nagle's algorithm and delayed acknowledgements cost 88 ms a round trip.
  const tcp = net.createServer({ noDelay: true, highWaterMark: HIGH_WATER_MARK }, (socket) => broker.serve(socket));
  tcp.maxConnections = maxConnections;
  const ws = options.wsPort === undefined ? undefined : webSocketServer(broker, maxConnections);
  try {
    const port = await listen(tcp, options.port, host);
    const wsPort = ws && (await listen(ws, options.wsPort ?? 0, host));
    logger.info({ host, port, wsPort }, 'broker listens');
    return {
      port,
      wsPort,
      close: async () => {
        const closed = [tcp, ws].map((server) => server && closeServer(server));
        await broker.close();
        ws?.closeAllConnections();
        await Promise.all(closed);
      },
    };
  } catch (error) {
    await broker.close();
    tcp.close();
    ws?.close();
    const { code, port } = error as NodeJS.ErrnoException & { port?: number };
    if (code === 'EADDRINUSE')
      throw new StartupError(`port ${port} is in use: stop what uses it, or choose another MQTT port`);
    throw error;
  }
}
