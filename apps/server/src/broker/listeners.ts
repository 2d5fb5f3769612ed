/** The listeners of the broker: TCP and WebSocket for everyone, a Unix socket for the platform's own processes. */
import fs from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import type { Duplex } from 'node:stream';
import { type AllowedHosts, StartupError } from '@cl-server/service-kit/program';
import { createWebSocketStream, WebSocketServer } from 'ws';
import { Budget } from './budget.js';
import type { Connection } from './connections.js';
import { type BrokerLimits, HIGH_WATER_MARK } from './limits.js';

export interface Serving {
  readonly limits: BrokerLimits;
  /** Called for each new connection. It calls `open` when the first bytes are there and it is the connection's turn. */
  readonly accept: (socket: net.Socket, open: (connection: Connection) => void) => void;
  /** Called for each new connection of the platform's own processes. */
  readonly acceptOwn: (socket: net.Socket) => Connection;
  /** Called with the stream that carries MQTT. */
  readonly serve: (stream: Duplex, connection: Connection, request?: http.IncomingMessage) => void;
}

/**
 * Connections that the kernel keeps until they are accepted. Beyond that it drops the first packet of a new
 * connection, which the client repeats after one second, then after three: with Node's 511 a short flood delays others that long.
 */
const BACKLOG = 1_024;

/** @returns the port, 0 for a Unix socket */
export const listen = (server: net.Server, where: net.ListenOptions): Promise<number> =>
  new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ backlog: BACKLOG, ...where }, () => {
      server.off('error', reject);
      const address = server.address();
      resolve(typeof address === 'object' && address !== null ? address.port : 0);
    });
  });

export const closeServer = (server: net.Server): Promise<void> =>
  new Promise((resolve) => server.close(() => resolve()));

export function portFault(error: unknown): unknown {
  const { code, port } = error as NodeJS.ErrnoException & { port?: number };
  return code === 'EADDRINUSE' && port !== undefined
    ? new StartupError(`port ${port} is in use: stop the program that uses it, or choose another MQTT port`)
    : error;
}

/**
 * The number of bytes that are read ahead of a connection that is held back. A server has one option for both directions, and
 * the writing side must be high (see `BrokerLimits.backlog`); hundreds of strangers would fill a megabyte each.
 */
const READ_AHEAD_BYTES = 65_536;

function readLittleAhead(socket: net.Socket): void {
  const { _readableState: state } = socket as unknown as { _readableState?: { highWaterMark?: number } };
  if (state) state.highWaterMark = READ_AHEAD_BYTES;
}

/** Without noDelay, Nagle's algorithm and delayed acknowledgements cost 88 ms per round trip. */
export const tcpServer = ({ accept, serve }: Serving): net.Server =>
  net.createServer({ highWaterMark: HIGH_WATER_MARK }, (socket) => {
    socket.on('error', () => undefined);
    readLittleAhead(socket);
    accept(socket, (connection) => {
      socket.setNoDelay(true);
      socket.setKeepAlive(true);
      serve(socket, connection);
      socket.emit('readable'); // The first bytes arrived before aedes listened.
    });
  });

/** The socket of the platform's own processes: it stays available whatever strangers do. Only this user can open it. */
export async function unixServer(file: string, { acceptOwn, serve }: Serving): Promise<net.Server> {
  fs.rmSync(file, { force: true }); // the socket of a broker that was killed
  const server = net.createServer({ highWaterMark: HIGH_WATER_MARK }, (socket) => {
    socket.on('error', () => undefined);
    serve(socket, acceptOwn(socket));
  });
  await listen(server, { path: file });
  fs.chmodSync(file, 0o600);
  return server;
}

/** Rate and burst of raw bytes of one connection, which is closed beyond them: frames without content cost time too. */
const RAW_RATE = { perSecond: 131_072, burst: 524_288 };
/** The same of all connections together. */
const TOTAL_RAW_RATE = { perSecond: 1_048_576, burst: 4_194_304 };
/** The cost of a message in addition to its bytes: six of them fill a frame. */
const MESSAGE_COST = 32;
/** Raw bytes that take a unit of the broker's time, roughly a microsecond. */
const BYTES_PER_UNIT = 64;
/** The number of pings of one connection, each of which gets a pong. Usual clients send one in some seconds. */
const PING_RATE = { perSecond: 2, burst: 64 };
/** The first bytes of a connection do not wait for the rate of all, so that busy connections do not keep others out. */
const LIGHT_USE_BYTES = 16_384;
/** The longest time for which a connection is not read: meanwhile the broker does not notice that its client has left. */
const MAX_PAUSE_MS = 5_000;
/** The number of fragments of one message. Each is kept as an object until the last one arrives, however short it is. */
const MAX_FRAGMENTS = 64;
export function webSocketServer(serving: Serving, hosts: AllowedHosts): http.Server {
  const { limits, accept, serve } = serving;
  const server = http.createServer(
    { headersTimeout: limits.handshake, requestTimeout: limits.handshake, maxHeaderSize: 8_192 },
    (_request, response) => {
      response.writeHead(426, { 'content-type': 'text/plain', connection: 'close' });
      response.end('Only MQTT over WebSocket is available here\n');
    },
  );
  const connections = new WeakMap<Duplex, Connection>();
  // The server's own listener receives a connection when its turn has come.
  const listeners = server.listeners('connection');
  server.removeAllListeners('connection');
  server.on('connection', (socket) => {
    socket.on('error', () => undefined);
    accept(socket, (connection) => {
      connections.set(socket, connection);
      for (const listener of listeners) listener.call(server, socket);
    });
  });
  const sockets = new WebSocketServer({
    server,
    maxPayload: limits.webSocketMessage,
    maxFragments: MAX_FRAGMENTS,
    perMessageDeflate: false,
    autoPong: false,
    handleProtocols: (offered) => ['mqtt', 'mqttv3.1'].find((name) => offered.has(name)) ?? false,
    verifyClient: ({ origin, req }, answer) => {
      const names = hostHeaders(req);
      const [host] = names;
      if (names.length !== 1 || host === undefined || !hosts.accepts(host))
        return answer(false, 421, 'This host name is not allowed: see ALLOWED_HOSTS');
      if (origin !== undefined && !hosts.acceptsOrigin(origin, host))
        return answer(false, 403, 'Pages of this origin are not allowed to connect: see CORS_ORIGINS');
      answer(true);
    },
  });
  sockets.on('error', () => undefined); // the HTTP server reports the error, and it is handled there
  const all = new Budget(TOTAL_RAW_RATE);
  sockets.on('connection', (socket, request) => {
    const connection = connections.get(request.socket);
    if (!connection) return socket.terminate();
    const expel = (): void => {
      for (const event of ['message', 'ping']) socket.removeAllListeners(event); // of what has been read already
      connection.spending.penalise(raw.used / BYTES_PER_UNIT);
      // After an error it would otherwise keep its place for 30 s, waiting for the client's close frame.
      socket.terminate();
    };
    socket.on('error', expel);
    const raw = limitRaw(request.socket, { connection, all, expel });
    socket.on('message', () => raw.spend(MESSAGE_COST));
    const pings = new Budget(PING_RATE);
    socket.on('ping', (data) => {
      pings.spend(1);
      if (pings.left < 0) expel();
      else if (request.socket.writableLength < limits.readingStops) socket.pong(data);
    });
    request.socket.setNoDelay(true);
    const stream = createWebSocketStream(socket, { writableHighWaterMark: HIGH_WATER_MARK });
    serve(stream, connection, request);
  });
  return server;
}

const hostHeaders = ({ rawHeaders }: http.IncomingMessage): string[] =>
  rawHeaders.filter((_value, index) => index % 2 === 1 && rawHeaders[index - 1]?.toLowerCase() === 'host');

interface RawLimits {
  readonly connection: Connection;
  /** The budget of all WebSockets. */
  readonly all: Budget;
  /** Called when the connection has exceeded its own rate, or would wait for too long. */
  readonly expel: () => void;
}

interface RawUse {
  /** The bytes of the connection and the costs of its messages until now. */
  readonly used: number;
  /** Pays the cost of a message in addition to its bytes. */
  readonly spend: (bytes: number) => void;
}

/** Limits the rate of a raw connection, because frames without content do not reach the reader of packets. */
function limitRaw(socket: net.Socket, { connection, all, expel }: RawLimits): RawUse {
  const own = new Budget(RAW_RATE);
  let held: NodeJS.Timeout | undefined;
  let used = 0;
  let isExpelled = false;
  const spend = (bytes: number): void => {
    if (isExpelled || connection.identity.kind === 'service') return;
    used += bytes;
    own.spend(bytes);
    all.spend(bytes);
    const wait = used > LIGHT_USE_BYTES ? all.wait : 0;
    if (own.wait > 0 || wait > MAX_PAUSE_MS) {
      isExpelled = true;
      expel();
      return;
    }
    if (wait === 0) return;
    socket.pause();
    if (held === undefined)
      held = setTimeout(() => {
        held = undefined;
        socket.resume();
      }, wait);
  };
  socket.on('data', (chunk: Buffer) => spend(chunk.length));
  socket.once('close', () => clearTimeout(held));
  return {
    get used() {
      return used;
    },
    spend,
  };
}
