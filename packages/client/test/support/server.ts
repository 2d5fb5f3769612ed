/** A real HTTP server on a free port of loopback, whose answers a test writes. */
import http from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Received {
  readonly method: string;
  readonly path: string;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: Buffer;
}

export type Respond = (
  request: Received,
  response: http.ServerResponse,
  raw: http.IncomingMessage,
) => void | Promise<void>;

export interface TestServer {
  readonly url: string;
  readonly received: Received[];
  /** Breaks every connection and listens no more. */
  stop(): Promise<void>;
  /** Listens again at the same address. */
  start(): Promise<void>;
}

async function bodyOf(request: http.IncomingMessage): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part as Buffer);
  return Buffer.concat(parts);
}

export async function startServer(respond: Respond): Promise<TestServer> {
  const received: Received[] = [];
  const make = (): http.Server =>
    http.createServer((request, response) => {
      void bodyOf(request).then(
        async (body) => {
          const entry = { method: request.method ?? '', path: request.url ?? '', headers: request.headers, body };
          received.push(entry);
          await respond(entry, response, request);
        },
        () => response.destroy(),
      );
    });
  let server = make();
  const listen = (port: number): Promise<void> =>
    new Promise((resolve, reject) => server.once('error', reject).listen(port, '127.0.0.1', resolve));
  await listen(0);
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    received,
    stop: async () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      await closed;
    },
    start: async () => {
      server = make();
      await listen(port);
    },
  };
}

export const json = (response: http.ServerResponse, status: number, body: unknown, headers = {}): void => {
  response.writeHead(status, { 'content-type': 'application/json', ...headers });
  response.end(JSON.stringify(body));
};

/** A token that says how long it is good for; nobody verifies it here. */
export function tokenOf(claims: Readonly<Record<string, unknown>>): string {
  const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  return `${part({ alg: 'ES256' })}.${part(claims)}.signature`;
}
