/**
 * Bodies that do not arrive, and bodies that nobody reads any more.
 *
 *     expected --bytes come too slowly--> refused (408), connection closed
 *     expected --whole body read--> done
 *     expected --answered before its end--> dropped --body's end--> done
 *                                           dropped --too long--> connection closed
 *
 * While the server itself is slow (a full disk buffer), the client is not to blame and its time does not count.
 */
import type { IncomingMessage } from 'node:http';
import { Socket } from 'node:net';
import type { FastifyInstance } from 'fastify';
import { refuseUnparsed } from './unparsed.js';

export interface SlowBodyLimits {
  /** Milliseconds within which a form or JSON must bring `minBytes`, again and again until its end. */
  readonly window?: number;
  /** The same for a body with files, whose client may be on the move. */
  readonly fileWindow?: number;
  /** Bytes in each window. */
  readonly minBytes?: number;
  /** Milliseconds for which the rest of an answered body is dropped, so that the client sees the answer. */
  readonly dropFor?: number;
  /** Bytes of it that are dropped. */
  readonly dropBytes?: number;
  /** Milliseconds between two looks. */
  readonly every?: number;
}

interface Watched {
  readonly window: number;
  /** Bytes of the connection at the begin of the window, or when the answer was sent. */
  bytes: number;
  since: number;
  /** When the answer was sent. */
  answered: number | undefined;
}

const hasBody = ({ headers }: IncomingMessage): boolean =>
  headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;

export function watchBodies(fastify: FastifyInstance, limits: SlowBodyLimits = {}): void {
  const {
    window = 15_000,
    fileWindow = 60_000,
    minBytes = 8_192,
    dropFor = 15_000,
    dropBytes = 134_217_728,
    every = 1_000,
  } = limits;
  const watched = new Map<IncomingMessage, Watched>();

  const look = (request: IncomingMessage, state: Watched, now: number): void => {
    const { socket } = request;
    if (request.complete || socket.destroyed) {
      watched.delete(request);
      return;
    }
    if (state.answered !== undefined) {
      if (now - state.answered > dropFor || socket.bytesRead - state.bytes > dropBytes) socket.destroy();
      return;
    }
    const arrived = socket.bytesRead - state.bytes;
    if (request.readableLength > 0 || arrived >= minBytes) {
      state.bytes = socket.bytesRead;
      state.since = now;
    } else if (now - state.since > state.window) {
      watched.delete(request);
      refuseUnparsed({ name: 'Error', message: 'slow body', code: 'ERR_HTTP_REQUEST_TIMEOUT' }, socket);
    }
  };
  const timer = setInterval(() => {
    const now = performance.now();
    for (const [request, state] of watched) look(request, state, now);
  }, every).unref();

  fastify.addHook('onRequest', (request, _reply, done) => {
    const { raw } = request;
    // A request that a test injects comes by no connection.
    if (hasBody(raw) && raw.socket instanceof Socket)
      watched.set(raw, {
        window: request.routeOptions.config.takesFiles === true ? fileWindow : window,
        bytes: raw.socket.bytesRead,
        since: performance.now(),
        answered: undefined,
      });
    done();
  });
  fastify.addHook('onResponse', ({ raw }, _reply, done) => {
    const state = watched.get(raw);
    if (state && !raw.complete) {
      state.answered = performance.now();
      state.bytes = raw.socket.bytesRead;
      raw.resume();
    } else watched.delete(raw);
    done();
  });
  fastify.addHook('onClose', async () => clearInterval(timer));
}
