import { type Authorize, bearerOf } from '@cl-server/service-kit';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { disconnectSignal } from './disconnect-signal.js';
import type { LoginClient } from './login.js';

export type ClientOf = (request: FastifyRequest, reply: FastifyReply) => Promise<LoginClient>;

/** Finds out which client tries to log in. A login needs no token, but a valid token makes its user known. */
export const loginClients =
  (authorize: Authorize): ClientOf =>
  async (request, reply) => {
    const holder =
      request.claims ?? (bearerOf(request) && (await authorize('user', request).catch(() => undefined))) ?? undefined;
    return {
      address: request.ip,
      signal: disconnectSignal(reply),
      holderId: holder ? Number(holder.id) : undefined,
    };
  };
