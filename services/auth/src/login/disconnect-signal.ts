import type { FastifyReply } from 'fastify';

/** Returns a signal that is aborted when the client disconnects before it has received its answer. */
export function disconnectSignal(reply: FastifyReply): AbortSignal {
  const disconnected = new AbortController();
  reply.raw.once('close', () => {
    if (!reply.raw.writableFinished) disconnected.abort();
  });
  return disconnected.signal;
}
