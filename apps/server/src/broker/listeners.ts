/** Where the broker listens: TCP and WebSocket for everyone, a Unix socket for the platform's own processes. */
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
  /** A new connection of which nothing is known yet. */
  readonly accept: (socket: net.Socket) => Connection;
  /** It speaks MQTT from here on. */
  readonly serve: (stream: Duplex, connection: Connection, request?: http.IncomingMessage) => void;
}

/** @returns the port, 0 for a Unix socket */
export const listen = (server: net.Server, where: net.ListenOptions): Promise<number> =>
  new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(where, () => {
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
    ? new StartupError(`port ${port} is in use: stop what uses it, or choose another MQTT port`)
    : error;
}

/**
 * What is read ahead of a connection that is held back. The one option of a server is for both directions, and the
 * writing one must be high (see `BrokerLimits.backlog`); hundreds of strangers would fill a megabyte each.
 */
const READ_AHEAD = 65_536;

function readLittleAhead(socket: net.Socket): void {
  const { _readableState: state } = socket as unknown as { _readableState?: { highWaterMark?: number } };
  if (state) state.highWaterMark = READ_AHEAD;
}

/** Without noDelay Nagle's algorithm and delayed acknowledgements cost 88 ms a round trip. */
export const tcpServer = ({ accept, serve }: Serving): net.Server =>
  net.createServer({ noDelay: true, keepAlive: true, highWaterMark: HIGH_WATER_MARK }, (socket) => {
    socket.on('error', () => undefined);
    readLittleAhead(socket);
    serve(socket, accept(socket));
  });

/** The platform's own way in: whatever strangers do on the others, it is free. Only this user can open it. */
export async function unixServer(file: string, { accept, serve }: Serving): Promise<net.Server> {
  fs.rmSync(file, { force: true }); // of a broker that was killed
  const server = net.createServer({ highWaterMark: HIGH_WATER_MARK }, (socket) => {
    socket.on('error', () => undefined);
    serve(socket, accept(socket));
  });
  await listen(server, { path: file });
  fs.chmodSync(file, 0o600);
  return server;
}

/** Bytes a second of the raw connection, and at once: frames that carry nothing cost too. */
const RAW = { perSecond: 131_072, burst: 1_048_576 };
const RAW_OF_ALL = { perSecond: 1_048_576, burst: 4_194_304 };
/** What a ping and a message cost beside their bytes, in bytes: six of them are a whole frame, and a pong is written for each. */
const PING_COSTS = 256;
const MESSAGE_COSTS = 32;
/** Fragments of one message. Each is kept as an object of its own until the last one is there, however short it is. */
const MAX_FRAGMENTS = 64;

export function webSocketServer(serving: Serving, hosts: AllowedHosts): http.Server {
  const { limits, accept, serve } = serving;
  const server = http.createServer(
    { headersTimeout: limits.handshake, requestTimeout: limits.handshake, maxHeaderSize: 8_192 },
    (_request, response) => {
      response.writeHead(426, { 'content-type': 'text/plain', connection: 'close' });
      response.end('MQTT over WebSocket only\n');
    },
  );
  const connections = new WeakMap<Duplex, Connection>();
  server.on('connection', (socket) => connections.set(socket, accept(socket)));
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
        return answer(false, 421, 'This server does not answer to that name: see ALLOWED_HOSTS');
      if (origin !== undefined && !hosts.acceptsOrigin(origin, host))
        return answer(false, 403, 'Pages of this origin may not connect: see CORS_ORIGINS');
      answer(true);
    },
  });
  sockets.on('error', () => undefined); // the HTTP server reports it, where it is handled
  const all = new Budget(RAW_OF_ALL);
  sockets.on('connection', (socket, request) => {
    const connection = connections.get(request.socket);
    if (!connection) return socket.terminate();
    socket.on('error', () => undefined);
    const spend = limitRaw(request.socket, connection, all);
    socket.on('message', () => spend(MESSAGE_COSTS));
    socket.on('ping', (data) => {
      spend(PING_COSTS);
      if (request.socket.writableLength < limits.readingStops) socket.pong(data);
    });
    request.socket.setNoDelay(true);
    const stream = createWebSocketStream(socket, { writableHighWaterMark: HIGH_WATER_MARK });
    serve(stream, connection, request);
  });
  return server;
}

const hostHeaders = ({ rawHeaders }: http.IncomingMessage): string[] =>
  rawHeaders.filter((_value, index) => index % 2 === 1 && rawHeaders[index - 1]?.toLowerCase() === 'host');

/**
 * Holds the raw connection back while its budget is overdrawn, so that frames without content are bounded as well.
 * @returns spends what frames cost beside their bytes
 */
function limitRaw(socket: net.Socket, connection: Connection, all: Budget): (bytes: number) => void {
  const own = new Budget(RAW);
  let held: NodeJS.Timeout | undefined;
  const spend = (bytes: number): void => {
    if (connection.identity.kind === 'service') return;
    own.spend(bytes);
    all.spend(bytes);
    const wait = Math.max(own.wait, all.wait);
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
  return spend;
}
