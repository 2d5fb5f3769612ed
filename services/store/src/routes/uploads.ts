import { appendUpload, createUpload, dropUpload, UPLOADS_PATH } from '@cl-server/contract';
import { type App, type Authorize, notFound } from '@cl-server/runtime';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { ResumableUploads } from '../uploads/resumable.js';
import type { UserOf } from './entities.js';

export interface UploadRoutesOptions {
  readonly uploads: ResumableUploads;
  readonly authorize: Authorize;
  readonly userOf: UserOf;
}

const ID = /^[0-9a-f]{32}$/;

export function serveUploads(app: App, { uploads, authorize, userOf }: UploadRoutesOptions): void {
  // The bytes stay in the request: the protocol's own code reads them.
  app.fastify.addContentTypeParser('application/offset+octet-stream', (_request, _payload, done) => done(null));

  const answer = async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
    const { upload_id: id } = request.params as { upload_id?: string };
    if (id !== undefined && !ID.test(id)) throw notFound('There is no such upload');
    reply.hijack();
    await uploads.handle(request.raw, reply.raw, userOf(request.claims));
    return reply;
  };
  for (const endpoint of [createUpload, appendUpload, dropUpload])
    app.handle(endpoint, ({ request, reply }) => answer(request, reply));

  // What the protocol asks with HEAD and OPTIONS has no place in the table of endpoints.
  app.fastify.route({
    method: 'HEAD',
    url: `${UPLOADS_PATH}/:upload_id`,
    onRequest: async (request) => {
      request.claims = await authorize('write', request);
    },
    handler: answer,
  });
}
