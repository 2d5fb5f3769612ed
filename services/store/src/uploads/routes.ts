/** Resumable uploads: the parts of the protocol outside of the table of endpoints, and the URLs of uploads. */
import { appendUpload, createUpload, dropUpload, UPLOADS_PATH } from '@cl-server/contract';
import { Answer, type App, type Authorize, HttpError, notFound } from '@cl-server/service-kit';
import type { FastifyRequest } from 'fastify';
import type { UserOf } from '../access/rights.js';
import type { ResumableUploads, UploadAnswer, UploadRequest } from './resumable.js';

export interface UploadRoutesOptions {
  readonly uploads: ResumableUploads;
  readonly authorize: Authorize;
  readonly userOf: UserOf;
}

const ID = /^[0-9a-f]{32}$/;
const VERSION = '1.0.0';
const BYTES = 'application/offset+octet-stream';
const OF_UPLOADS = new RegExp(`^${UPLOADS_PATH}(?:[/?]|$)`);
const METHODS: ReadonlySet<string> = new Set(['POST', 'HEAD', 'PATCH', 'DELETE']);
/** The methods at the URL of an upload, for the header `Allow`; POST carries one of the others in a header. */
const AT_UPLOAD = 'DELETE, HEAD, OPTIONS, PATCH, POST';

const header = (request: FastifyRequest, name: string): string | undefined => {
  const value = request.headers[name];
  return typeof value === 'string' ? value : undefined;
};

/** The effective method: clients behind a proxy that passes only POST send the method in a header. */
function methodOf(request: FastifyRequest): UploadRequest['method'] {
  const override = header(request, 'x-http-method-override')?.toUpperCase();
  const method = request.method === 'POST' && override ? override : request.method;
  return method as UploadRequest['method'];
}

/** @returns 412 or 415 if the request does not follow the protocol */
function refusalOf(request: FastifyRequest): HttpError | undefined {
  const method = methodOf(request);
  if (!METHODS.has(method)) return undefined;
  if (header(request, 'tus-resumable') !== VERSION)
    return new HttpError(412, `The server supports tus ${VERSION}: send Tus-Resumable: ${VERSION}`, {
      headers: { 'tus-version': VERSION },
    });
  if (method === 'PATCH' && header(request, 'content-type') !== BYTES)
    return new HttpError(415, `The bytes of an upload need Content-Type: ${BYTES}`);
  return undefined;
}

/**
 * The URL at which the client finds an upload. A proxy that serves the store under a prefix may send the prefix in a header.
 * Other proxies are recognised by their headers or by a foreign host; the URL is relative to the requested one then.
 */
function locationOf(request: FastifyRequest, id: string): string {
  const prefix = header(request, 'x-forwarded-prefix');
  if (prefix !== undefined && /^(\/[\w.~-]+)+\/?$/.test(prefix))
    return `${prefix.replace(/\/$/, '')}${UPLOADS_PATH}/${id}`;
  const isForwarded = ['forwarded', 'via', 'x-forwarded-for', 'x-forwarded-host'].some((name) => request.headers[name]);
  const port = Number(/:(\d+)$/.exec(request.headers.host ?? '')?.[1] ?? 80);
  if (!isForwarded && port === request.socket.localPort) return `${UPLOADS_PATH}/${id}`;
  const asked = request.url.split('?', 1)[0] ?? '';
  return asked.endsWith('/') ? id : `${UPLOADS_PATH.slice(1)}/${id}`;
}

export function serveUploads(app: App, { uploads, authorize, userOf }: UploadRoutesOptions): void {
  const { fastify } = app;
  // The bytes stay in the request, because the tus server reads them.
  fastify.addContentTypeParser(BYTES, (_request, _payload, done) => done(null));
  // The hook applies to all answers, including refusals and preflights, which no route gives.
  fastify.addHook('onSend', (request, reply, payload, done) => {
    if (OF_UPLOADS.test(request.url))
      reply.headers({ 'tus-resumable': VERSION, ...(request.method === 'OPTIONS' && uploads.discovery) });
    done(null, payload);
  });
  // Runs after the guard and before the body is read.
  fastify.addHook('preParsing', (request, _reply, payload, done) => {
    done(OF_UPLOADS.test(request.url) ? refusalOf(request) : null, payload);
  });

  const answer = async (request: FastifyRequest): Promise<UploadAnswer> => {
    const { upload_id: id } = request.params as { upload_id?: string };
    const method = methodOf(request);
    if (id !== undefined && !ID.test(id)) throw notFound('There is no such upload');
    if (!METHODS.has(method) || (method === 'POST') !== (id === undefined))
      throw new HttpError(405, 'Method Not Allowed', {
        headers: { allow: id === undefined ? 'OPTIONS, POST' : AT_UPLOAD },
      });
    return uploads.answer({
      method,
      id,
      raw: request.raw,
      user: userOf(request.claims),
      locationOf: (created) => locationOf(request, created),
    });
  };
  app.handle(createUpload, async ({ request }) => {
    const { headers, finished } = await answer(request);
    if (!finished) return new Answer(201, undefined, headers);
    return new Answer(finished.isNew ? 201 : 200, finished.entity, headers);
  });
  app.handle(appendUpload, async ({ request }) => {
    const { headers, finished } = await answer(request);
    if (!finished) return new Answer(204, undefined, headers);
    return new Answer(finished.isNew ? 201 : 200, finished.entity, headers);
  });
  app.handle(dropUpload, async ({ request }) => new Answer(204, undefined, (await answer(request)).headers));

  // HEAD and overridden methods cannot be expressed in the table of endpoints.
  fastify.route({
    method: ['HEAD', 'POST'],
    url: `${UPLOADS_PATH}/:upload_id`,
    onRequest: async (request) => {
      request.claims = await authorize('write', request);
    },
    handler: async (request, reply) => {
      const { status, headers, finished } = await answer(request);
      return reply.code(status).headers(headers).send(finished?.entity);
    },
  });
}
