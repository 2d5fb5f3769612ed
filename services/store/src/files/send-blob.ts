/** Answers with a blob, or a part of it. */
import { type BlobStore, isUnreadable } from '@cl-server/blobs';
import { notFound, type SendOptions, sendOpenFile } from '@cl-server/service-kit';
import type { FastifyReply, FastifyRequest } from 'fastify';

export interface SendBlobOptions extends SendOptions {
  readonly blobs: Pick<BlobStore, 'open'>;
  readonly key: string;
  /** The error message if there is no such blob. */
  readonly missing: string;
}

/** @throws HttpError 404 if the blob is not there (any more), 412, 416 for a range outside of it */
export async function sendBlob(
  request: FastifyRequest,
  reply: FastifyReply,
  { blobs, key, missing, ...options }: SendBlobOptions,
): Promise<FastifyReply> {
  const blob = await blobs.open(key).catch((error: unknown) => {
    throw isUnreadable(error) ? notFound(missing, { cause: error }) : error;
  });
  return sendOpenFile(request, reply, blob, options);
}
