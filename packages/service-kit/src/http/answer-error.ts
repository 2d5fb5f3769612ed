/**
 * From whatever was thrown to an answer, and to a line in the log where somebody should know: an unexpected error with its
 * stack, a dependency that is away or a full disk as one line with the reason. A client that has left is neither.
 */
import { messageOf } from '@cl-server/kit';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { isDatabaseAway } from '../database/away.js';
import { HttpError } from '../errors.js';
import type { Logger } from '../logging/logger.js';
import { storageFault } from '../storage-fault.js';

function toRefusal(error: unknown): HttpError | undefined {
  if (error instanceof HttpError) return error;
  const { statusCode, code } = error as { statusCode?: number; code?: string };
  if (code === 'FST_ERR_CTP_INVALID_MEDIA_TYPE')
    return new HttpError(415, 'This Content-Type is not supported: send a form or JSON');
  if (statusCode === 414) return new HttpError(414, 'A part of the path is too long');
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500)
    return new HttpError(statusCode, messageOf(error), { cause: error });
  return undefined;
}

const RETRY_AFTER_SECONDS = '5';

function databaseAway(error: unknown): HttpError | undefined {
  if (!isDatabaseAway(error)) return undefined;
  return new HttpError(503, 'The database does not answer now. Nothing was changed; try again in a few seconds', {
    headers: { 'retry-after': RETRY_AFTER_SECONDS },
    cause: error,
  });
}

/** Codes of streams and sockets whose other end has closed. */
const GONE = new Set(['ERR_STREAM_PREMATURE_CLOSE', 'ECONNRESET', 'EPIPE', 'ERR_STREAM_DESTROYED', 'ABORT_ERR']);

const clientLeft = (error: unknown, { raw }: FastifyReply): boolean =>
  (raw.destroyed || raw.closed) && GONE.has((error as { code?: string }).code ?? '');

function log(error: unknown, refusal: HttpError | undefined, request: FastifyRequest, logger: Logger): void {
  const where = { reqId: request.id, method: request.method, path: request.url.split('?', 1)[0] };
  if (!refusal || refusal.status === 500) logger.error({ ...where, err: error }, 'request failed');
  else if (refusal.status > 500) {
    const cause = refusal.cause === undefined ? undefined : messageOf(refusal.cause);
    logger.warn({ ...where, status: refusal.status, reason: refusal.message, cause }, 'request refused');
  }
}

export function answerError(
  thrown: unknown,
  request: FastifyRequest,
  reply: FastifyReply,
  logger: Logger,
): FastifyReply {
  if (clientLeft(thrown, reply)) {
    // Each seek of a player ends a download; nobody reads an answer any more.
    logger.debug({ reqId: request.id, reason: messageOf(thrown) }, 'the client left before the end of its answer');
    return reply;
  }
  const error = storageFault(thrown);
  const refusal = toRefusal(error) ?? databaseAway(error);
  log(error, refusal, request, logger);
  const { status, detail, code, headers, extra } = refusal ?? new HttpError(500, 'Internal Server Error');
  if (status === 503) reply.header('retry-after', RETRY_AFTER_SECONDS);
  return reply
    .code(status)
    .headers({ ...headers })
    .type('application/json')
    .send({ detail, code, ...extra, request_id: request.id });
}
